// Whether a text is a server.json: node check-entry.mjs SCHEMA ENTRY. Prints what is wrong, as JSON.
import { readFileSync } from 'node:fs';
import { argv, stdout } from 'node:process';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';

const [schema, entry] = argv.slice(2).map(file => JSON.parse(readFileSync(file, 'utf8')));
const ajv = addFormats(new Ajv({ strict: false, allErrors: true }));
const isValid = ajv.compile(schema);
stdout.write(JSON.stringify(isValid(entry) ? [] : isValid.errors));
