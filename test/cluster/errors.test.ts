import { describe, expect, test } from 'vitest';
import { apiError, unreachable } from '../../src/cluster/errors.ts';

const access = {
  ...{ server: 'https://10.0.0.1:6443', context: 'prod', namespace: 'gpu', user: 'alice' },
};
const nobody = { ...access, context: null, user: null };

describe('an answer of the API server', () => {
  const refuse = (code: number, message: string, reason = 'Because') =>
    apiError({
      ...{ code, doing: 'create job "a"', access },
      body: JSON.stringify({ kind: 'Status', reason, message }),
    });

  test('that lacks credentials', () => {
    expect(refuse(401, 'Unauthorized')).toMatchObject({
      message:
        'the API server https://10.0.0.1:6443 does not accept the credentials of user "alice"',
      ...{ code: 401, reason: 'Because', exit: 3 },
      hint: 'log in again; kubectl auth whoami shows whether it worked',
    });
    expect(apiError({ code: 401, body: '', doing: 'x', access: nobody }).message).toMatch(
      /of user ""$/,
    );
  });

  test('that lacks a right', () => {
    const words =
      'pods "p" is forbidden: User "bob" cannot create resource "pods/attach" in API group "" in the namespace "gpu"';
    expect(refuse(403, words)).toMatchObject({
      message: 'user "bob" may not create pods/attach in namespace "gpu"',
      ...{ code: 403, reason: 'MissingRight' },
      hint: 'kubectl auth can-i create pods/attach -n gpu; kubectl gpu-mcp manifest rbac prints the role it takes',
    });
    const anywhere =
      'User "" cannot list resource "resourceslices" in API group "resource.k8s.io" at the cluster scope';
    expect(refuse(403, anywhere)).toMatchObject({
      message: 'user "" may not list resourceslices.resource.k8s.io in the whole cluster',
      hint: 'kubectl auth can-i list resourceslices.resource.k8s.io; kubectl gpu-mcp manifest rbac prints the role it takes',
    });
    // The same words with another code are none of RBAC's.
    expect(refuse(422, words)).toMatchObject({ reason: 'Because', code: 422 });
  });

  test('of an admission rule', () => {
    expect(refuse(422, 'admission webhook "w" denied the request: no')).toMatchObject({
      ...{ reason: 'Admission', code: 422 },
      message: 'admission webhook "w" refuses the pod: no',
    });
  });

  test('of anything else: what we did, and its words, if there are any', () => {
    expect(refuse(409, 'jobs "a"\nexists').message).toBe('create job "a": jobs "a" exists');
    expect(apiError({ code: 502, body: '', doing: 'get node "a"', access })).toMatchObject({
      message: 'get node "a": the API server answered 502',
      ...{ code: 502, reason: '' },
    });
    expect(apiError({ code: 502, body: 'Bad Gateway', doing: 'x', access }).message).toBe(
      'x: Bad Gateway',
    );
  });
});

describe('no answer', () => {
  const failure = (code: string) => Object.assign(new Error('no'), { code });

  test('for a key that is none', () => {
    expect(unreachable(failure('ERR_OSSL_PEM_NO_START_LINE'), access)).toMatchObject({
      message:
        'the client certificate or key of user "alice" cannot be used (ERR_OSSL_PEM_NO_START_LINE)',
      hint: 'check client-certificate and client-key in the kubeconfig',
      exit: 3,
    });
    expect(unreachable(failure('ERR_OSSL_X'), nobody).message).toContain('of user ""');
  });

  test.each([
    ...['CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ...['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SSL_WRONG_VERSION_NUMBER', 'EPROTO'],
  ])('for its certificate: %s', code => {
    expect(unreachable(failure(code), access)).toMatchObject({
      message: `the certificate of the API server https://10.0.0.1:6443 is not accepted (${code})`,
      hint: 'check certificate-authority in the kubeconfig, --certificate-authority and --tls-server-name',
    });
  });

  test('for any other reason, named by its code, else by its words', () => {
    const hint = 'kubectl cluster-info; is the VPN up, is it the right --context?';
    expect(unreachable(failure('ECONNREFUSED'), access)).toMatchObject({
      message:
        'the API server https://10.0.0.1:6443 of context "prod" does not answer (ECONNREFUSED)',
      hint,
    });
    expect(unreachable(new Error('socket\nhang up'), nobody).message).toBe(
      'the API server https://10.0.0.1:6443 does not answer (socket hang up)',
    );
    expect(unreachable(undefined, nobody).message).toMatch(/\(no answer\)$/);
  });
});
