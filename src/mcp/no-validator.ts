/**
 * A server validates with JSON Schema only what a client's user elicits, a client only answers of
 * tools that it has listed; we do neither. The SDK's default would load ajv for it.
 */
export const noValidator = {
  getValidator: () => () => ({ valid: false as const, data: undefined, errorMessage: 'not used' }),
};
