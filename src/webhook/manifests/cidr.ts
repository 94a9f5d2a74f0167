/** Whether `text` is a range of IP addresses as Kubernetes writes it: `10.0.0.0/8`, `fd00::/64`. */
export function isCidr(text: string): boolean {
  const [, address = '', digits] = /^([0-9a-f.:]+)\/(0|[1-9]\d{0,2})$/i.exec(text) ?? [];
  const length = Number(digits);
  return address.includes(':')
    ? length <= 128 && URL.canParse(`http://[${address}]`)
    : length <= 32 && OCTETS.test(address);
}

const OCTET = '(?:0|[1-9]\\d?|1\\d\\d|2[0-4]\\d|25[0-5])';
const OCTETS = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);
