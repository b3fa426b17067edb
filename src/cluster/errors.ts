import { ClusterError, ours, type Sentence, told } from '../contract/errors.ts';
import { shell } from '../contract/printed-command.ts';
import { plainText } from '../contract/untrusted.ts';
import { admissionRefusal, admissionRule } from './admission.ts';
import { answeredJson, textOf } from './json.ts';
import { ApiError, type ClusterAccess, Unreachable } from './port.ts';

/** Webhooks explain themselves at length; what matters stands first. */
const SERVER_WORDS_MAX = 900;

export interface Refusal {
  readonly code: number;
  readonly body: string;
  /** `create jobs in namespace "gpu-mcp"`. */
  readonly doing: string;
  readonly access: ClusterAccess;
  /** As ApiError has it. */
  readonly mayBeDone?: boolean;
}

/** The API server's answer of 400 and above as a sentence with what to try. */
export function apiError({ code, body, doing, access, mayBeDone }: Refusal): ApiError {
  const status = answeredJson(body);
  const reason = textOf(status, 'reason');
  const words = plainText(textOf(status, 'message') || body, SERVER_WORDS_MAX);
  if (code === 401) {
    return new ApiError(
      told`the API server ${ours(access.server)} does not accept the credentials of user "${ours(access.user)}"`,
      {
        code,
        reason,
        mayBeDone,
        hint: 'log in again; kubectl auth whoami shows whether it worked',
      },
    );
  }
  const missing = code === 403 ? missingRight(words) : undefined;
  if (missing) {
    const { sentence, hint } = missing;
    return new ApiError(sentence, { code, reason: 'MissingRight', mayBeDone, hint });
  }
  const refused = admissionRefusal(words);
  if (refused)
    return new ApiError(refused.sentence, {
      ...{ code, reason: 'Admission', mayBeDone, hint: refused.hint },
      rule: admissionRule(words),
    });
  const sentence = told`${ours(doing)}: ${words || ours(`the API server answered ${code}`)}`;
  return new ApiError(sentence, { code, reason, mayBeDone });
}

/** RBAC's sentence: k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go. */
function missingRight(words: string): { sentence: Sentence; hint: string } | undefined {
  const found =
    /User "(.*?)" cannot ([a-z]+) resource "([a-z./]+)" in API group "([a-z\d.-]*)"(?: in the namespace "(.+?)")?/.exec(
      words,
    );
  if (!found) return undefined;
  const [, user = '', verb = '', resource = '', group = '', namespace] = found;
  const [plain = '', subresource] = resource.split('/');
  const full = `${plain}${group ? `.${group}` : ''}${subresource ? `/${subresource}` : ''}`;
  return {
    sentence: namespace
      ? told`user "${user}" may not ${ours(verb)} ${ours(full)} in namespace "${namespace}"`
      : told`user "${user}" may not ${ours(verb)} ${ours(full)} in the whole cluster`,
    hint: `${shell`kubectl auth can-i ${verb} ${full}`}${namespace ? shell` -n ${namespace}` : ''}; kubectl gpu-mcp manifest rbac prints the role it takes`,
  };
}

const TLS_CODES = /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|ERR_SSL|EPROTO/;

/** Why the request never reached the API server. */
export function unreachable(cause: unknown, access: ClusterAccess): ClusterError {
  const code = textOf(cause, 'code') || (cause instanceof Error ? cause.message : 'no answer');
  // Node's code for text that is no PEM.
  if (/^ERR_OSSL/.test(code)) {
    return new ClusterError(
      `the client certificate or key of user "${access.user ?? ''}" cannot be used (${plainText(code, 100)})`,
      { hint: 'check client-certificate and client-key in the kubeconfig', cause },
    );
  }
  if (TLS_CODES.test(code)) {
    return new ClusterError(
      `the certificate of the API server ${access.server} is not accepted (${plainText(code, 100)})`,
      {
        hint: 'check certificate-authority in the kubeconfig, --certificate-authority and --tls-server-name',
        cause,
      },
    );
  }
  const context = access.context ? ` of context "${access.context}"` : '';
  return new Unreachable(
    `the API server ${access.server}${context} does not answer (${plainText(code, 100)})`,
    { hint: 'kubectl cluster-info; is the VPN up, is it the right --context?', cause },
  );
}
