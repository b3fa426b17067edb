import { describe, expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

/**
 * What clients of stores, databases and trackers raise, in their own words: exceptions of botocore (botocore/exceptions.py),
 * requests, httpx, aiohttp, google-api-core, azure-core, pyarrow (arrow/filesystem/s3fs.cc), psycopg, redis-py, MLflow and DVC.
 */

const blamed = (raised: string): string | undefined => {
  const text = `step 1\nTraceback (most recent call last):\n  File "/app/t.py", line 9, in f\n${raised}\n`;
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  const { entries } = readJobLog({ ...asked, text, cut: false });
  return entries.find(({ role }) => role === 'cause')?.layer;
};

describe('the way to a service', () => {
  test.each([
    'botocore.exceptions.HTTPClientError: An HTTP Client raised an unhandled exception: timed out',
    'botocore.exceptions.ClientError: An error occurred (RequestTimeout) when calling the PutObject operation: Your socket connection to the server was not read from or written to within the timeout period.',
    'botocore.exceptions.ConnectionClosedError: Connection was closed before we received a valid response from endpoint URL: "https://s3.acme.org/b".',
    'httpx.RemoteProtocolError: Server disconnected without sending a response.',
    'httpx.PoolTimeout: timed out waiting for a connection from the pool',
    'aiohttp.client_exceptions.ClientPayloadError: Response payload is not completed',
    'azure.core.exceptions.ServiceResponseError: cannot read the response',
    "requests.exceptions.ConnectionError: ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
    'google.api_core.exceptions.DeadlineExceeded: 504 Deadline Exceeded',
    "OSError: When reading information for key 'x' in bucket 'b': AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 28, Timeout was reached",
    'urllib.error.ContentTooShortError: <urlopen error retrieval incomplete: got only 10 out of 20 bytes>',
    'socket.timeout: timed out',
  ])('%s', raised => {
    expect(blamed(raised)).toBe('fabric');
  });
});

describe('what it was not given: an object, a right, a name', () => {
  test.each([
    'botocore.exceptions.PartialCredentialsError: Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY',
    'botocore.exceptions.ProfileNotFound: The config profile (train) could not be found',
    'botocore.exceptions.ClientError: An error occurred (404) when calling the HeadObject operation: Not Found',
    'botocore.exceptions.ClientError: An error occurred (PermanentRedirect) when calling the GetObject operation: The bucket must be addressed using the specified endpoint.',
    "aiohttp.client_exceptions.ClientResponseError: 403, message='Forbidden', url='https://x'",
    'google.api_core.exceptions.NotFound: 404 GET https://storage.googleapis.com/b/o/x: No such object: b/x',
    "google.auth.exceptions.RefreshError: ('invalid_grant: Bad Request', {'error': 'invalid_grant'})",
    'azure.core.exceptions.HttpResponseError: This request is not authorized to perform this operation using this permission.',
    'adlfs.spec.AzureHttpError: The specified container does not exist.',
    'kubernetes.client.exceptions.ApiException: (403)',
    'urllib.error.HTTPError: HTTP Error 404: Not Found',
    "OSError: When getting information for key 'x' in bucket 'b': AWS Error ACCESS_DENIED during HeadObject operation: No response body.",
    'mlflow.exceptions.RestException: RESOURCE_DOES_NOT_EXIST: Run with id=1 not found',
    "dvc.remote.base.RemoteMissingDepsError: URL 's3://b' is supported but requires these missing dependencies: ['dvc-s3']",
    'ValueError: FSDP requires PyTorch >= 2.1.0',
  ])('%s', raised => {
    expect(blamed(raised)).toBe('configuration');
  });
});

describe('and the program, where it is of its own values', () => {
  test.each([
    'ValueError: timeout must be positive',
    'KeyError: 404',
    'requests.exceptions.JSONDecodeError: Expecting value: line 1 column 1 (char 0)',
    'azure.core.exceptions.HttpResponseError: The specifed resource name contains invalid characters.',
    'ValueError: a model with 8 heads requires num_layers >= 2',
    'RuntimeError: memory of experts exhausted: no oom handler was given',
  ])('%s', raised => {
    expect(blamed(raised)).toBe('application');
  });
});
