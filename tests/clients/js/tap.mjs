// SPDX-License-Identifier: MIT
// Counts the steps of a scenario and prints them in the Test Anything Protocol.

let passed = 0;
let failed = 0;

/** Runs one step; a failure is printed and counted, and the scenario goes on. */
export async function step(name, action) {
  const number = passed + failed + 1;
  try {
    await action();
    passed++;
    console.log(`ok ${number} - ${name}`);
  } catch (error) {
    failed++;
    console.log(`not ok ${number} - ${name}`);
    for (const line of String(error?.stack ?? error).split("\n").slice(0, 14)) {
      console.log(`  # ${line.replace(/sig=[^&\s]*/g, "sig=...")}`);
    }
  }
}

/** Prints the plan and the summary; returns the exit status. */
export function finish() {
  console.log(`1..${passed + failed}`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}
