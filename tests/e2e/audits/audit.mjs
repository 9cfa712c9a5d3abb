// Audits the server at URL with the caller's KEY; prints [{id, name, status, reason}] as JSON.
import { auditServer } from 'graphql-http';

const [url, key] = process.argv.slice(2);
const results = await auditServer({
  url,
  fetchFn: (address, options = {}) =>
    fetch(address, { ...options, headers: { authorization: `Bearer ${key}`, ...options.headers } }),
});
console.log(
  JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason: reason ?? null }))),
);
