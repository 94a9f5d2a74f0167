/** Every variable with which Node, gRPC, Google's packages or kseal print more. */
export const debugVariables = {
  DEBUG: '*',
  DEBUG_AUTH: '1',
  GOOGLE_SDK_NODE_LOGGING: '*',
  GRPC_TRACE: 'all',
  GRPC_NODE_TRACE: 'all',
  GRPC_VERBOSITY: 'DEBUG',
  GRPC_NODE_VERBOSITY: 'DEBUG',
  NODE_DEBUG: 'http2,net,tls,http,https,fs,timer,child_process,module,worker,cluster',
  KSEAL_DEBUG: '1',
};
