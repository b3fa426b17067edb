import { type Answer, status } from './fake-objects.ts';

/**
 * What answers for an API server and is none, or not with what was asked: no command may take it for
 * "there is nothing", and each says who answered with what.
 */
export const LOGIN = '<!doctype html><html><head><title>Sign in to Corp SSO</title></head></html>';
export const html = { 'Content-Type': 'text/html', Server: 'nginx' };
export const good = (body: unknown): Answer => ({ code: 200, body });
export const LIES: readonly [name: string, lie: Answer, words: RegExp][] = [
  [
    'a login page',
    { code: 200, body: LOGIN, headers: html },
    /web page titled "Sign in to Corp SSO" \(HTTP 200, from "nginx"\)/,
  ],
  ['a login page that calls itself JSON', good(LOGIN), /web page titled/],
  [
    'a redirect',
    { code: 302, body: '', headers: { Location: 'https://sso.example/login' } },
    /a redirect to https:\/\/sso\.example\/login \(HTTP 302\)/,
  ],
  ['nothing', good(''), /answers with nothing \(HTTP 200\)/],
  ['no content', { code: 204, body: '' }, /nothing \(HTTP 204\)/],
  ['JSON that is cut', good('{"kind":"NodeList","items":[{"meta'), /JSON that is cut/],
  ['an array', good([]), /JSON that is no object/],
  ['a text', good('upstream connect error'), /a text that is no JSON \("upstream connect error"\)/],
  ['an empty object', good({}), /JSON that is no /],
  ['a Status of success', good({ kind: 'Status', status: 'Success' }), /a Status instead of a /],
  [
    'a list of another kind',
    good({ kind: 'ConfigMapList', metadata: {}, items: [] }),
    /a ConfigMapList instead of a /,
  ],
  [
    'a page that says 404',
    { code: 404, body: LOGIN, headers: html },
    /web page titled .* \(HTTP 404, from "nginx"\)/,
  ],
  [
    'a page that says 403',
    { code: 403, body: LOGIN, headers: html },
    /web page titled .* \(HTTP 403, from "nginx"\)/,
  ],
  [
    'a Status with code 200 that is a failure',
    good(status(403, 'Forbidden', 'no').body),
    /a Status/,
  ],
];
