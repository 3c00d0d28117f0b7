/**
 * `node tools/sum-tests.mjs REPORT`: reads what `jest --json` wrote, prints `PASSED FAILED SKIPPED`, and names what failed on
 * standard error. A test file that could not run counts as one failed test; a report without any test is an error.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites } = report;
for (const { name, status, message, assertionResults } of report.testResults) {
  const file = relative(process.cwd(), name);
  const failed = assertionResults.filter((test) => test.status === 'failed');
  for (const { fullName } of failed) console.error(`failed: ${file}: ${fullName}`);
  if (status === 'failed' && failed.length === 0) console.error(`failed: ${file}: did not run: ${message.trim().split('\n').slice(0, 3).join(' ')}`);
}
if (numRuntimeErrorTestSuites > 0) console.error(`failed: ${numRuntimeErrorTestSuites} test file(s) with an error outside of a test`);
if (numPassedTests + numFailedTests + numRuntimeErrorTestSuites === 0) throw new Error('no test ran');
console.log(numPassedTests, numFailedTests + numRuntimeErrorTestSuites, numPendingTests + numTodoTests);
