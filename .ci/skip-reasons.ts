import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * A reporter for vitest that keeps why each test was skipped: its JSON report has no place for that.
 * Writes [{ test, why }] to the file that SKIP_REASONS names.
 */
export default class SkipReasons implements Reporter {
  onTestRunEnd(testModules: readonly TestModule[]): void {
    const file = process.env['SKIP_REASONS'];
    if (!file) return;
    const skips = testModules.flatMap(testModule =>
      [...testModule.children.allTests('skipped')].map(test => {
        const result = test.result();
        const why = result.state === 'skipped' ? (result.note ?? '') : '';
        return { test: `${testModule.relativeModuleId} > ${test.fullName}`, why };
      }),
    );
    writeFileSync(file, JSON.stringify(skips));
  }
}
