/**
 * Turns vitest's JSON report into one plain line, `N passed, N failed`, and fails where vitest would not:
 * no test ran, or a test was skipped (an engine that is missing must not look like success).
 *
 * Usage: node scripts/test-summary.mjs REPORT.json
 */
import { readFileSync } from "node:fs";

/**
 * @typedef {{ status: string, fullName: string }} Assertion
 * @typedef {{ name: string, status: string, message: string, assertionResults: Assertion[] }} TestFile
 */

/**
 * @param {string | undefined} path
 * @returns {TestFile[]} nothing if vitest ended before it could write a report
 */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path ?? "", "utf8")).testResults;
  } catch (error) {
    console.log(`No test report: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

const files = readReport(process.argv[2]);
const tests = files.flatMap((file) => file.assertionResults);
const passed = tests.filter((test) => test.status === "passed").length;
const failedTests = tests.filter((test) => test.status === "failed").length;
/** Files that broke before their first test, by a syntax error or a missing import, count as one failure each. */
const brokenFiles = files.filter(
  (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
);
const skipped = tests.filter((test) => test.status !== "passed" && test.status !== "failed");

for (const file of brokenFiles) console.log(`Broken: ${file.name}: ${file.message}`);
for (const test of skipped) console.log(`Not run (${test.status}): ${test.fullName}`);
if (tests.length === 0) console.log("No test ran.");

const failed = failedTests + brokenFiles.length + skipped.length;
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0 || passed === 0) process.exitCode = 1;
