import type { ApiUse } from '../contract/cluster-view.ts';
import type { ApiRequest, ApiServer } from './http.ts';
import type { Json } from './json.ts';

/** What was asked of the API server, tries included, and what it sent back. */
export class Tally {
  requests = 0;
  bytes = 0;

  /** The same API server, whose requests are counted here; what was read already is asked for by none. */
  counting(
    api: ApiServer,
    justRead: (path: string) => Json | false | undefined = () => undefined,
  ): Pick<ApiServer, 'nowMs' | 'object' | 'settings' | 'text'> {
    const counted = <Request extends ApiRequest>(request: Request) => ({ ...request, tally: this });
    return {
      settings: api.settings,
      nowMs: () => api.nowMs(),
      object: async (request, signal) =>
        justRead(request.path) || api.object(counted(request), signal),
      text: (request, signal) => api.text(counted(request), signal),
    };
  }

  get asked(): ApiUse {
    return { requests: this.requests, bytes: this.bytes };
  }
}
