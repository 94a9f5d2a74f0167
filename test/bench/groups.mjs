// The rows of the bench, in groups: `{ name, columns, prepare, rows }`. A row has a title, and a
// function that measures and returns the text of the result.
import bulk from './bulk.mjs';
import peers from './peers.mjs';
import rekey from './rekey.mjs';
import start from './start.mjs';
import verify from './verify.mjs';
import webhook from './webhook.mjs';

export const groups = [start, bulk, rekey, verify, webhook, peers];
