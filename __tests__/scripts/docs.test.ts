import { expect, test } from '@jest/globals';
import { actionReadme, fillTables, table } from '../../scripts/docs.ts';

const action = `# Usage
#
# steps:
#   - uses: a/b@v1

name: An action
description: Does it.
inputs:
  one: {description: "The first | of\\n two.", required: true}
  two: {description: The second., default: .}
  three: {description: The third.}
outputs:
  out: {description: What comes out.}
runs: {using: node24, main: x}
`;

test('an action says what goes in and out', () => {
  expect(actionReadme(action)).toBe(`<!-- Written by scripts/docs.ts from action.yml. -->

# An action

Does it.

## Usage

\`\`\`yaml
steps:
  - uses: a/b@v1
\`\`\`

## Inputs

| input | default | what it is |
| --- | --- | --- |
| \`one\` | required | The first \\| of two. |
| \`two\` | \`.\` | The second. |
| \`three\` | empty | The third. |

## Outputs

| output | what it is |
| --- | --- |
| \`out\` | What comes out. |
`);
});

test('a document is filled between its markers and nowhere else', () => {
  const workflow = 'name: W\non: {workflow_call: {outputs: {run: {description: The run.}}}}\n';
  const text = 'a\n<!-- table: w.yml outputs -->\nold\n<!-- /table -->\nb\n';
  const filled = fillTables(text, () => workflow);
  expect(filled).toBe(
    'a\n<!-- table: w.yml outputs -->\n\n| output | what it is |\n| --- | --- |\n| `run` | The run. |\n\n<!-- /table -->\nb\n',
  );
  expect(fillTables(filled, () => workflow)).toBe(filled);
});

test.each(['{}', '{description: ""}', '{description: " "}'])('an input with %s fails', (input) => {
  expect(() => table(`name: x\ninputs: {one: ${input}}`, 'inputs')).toThrow('description');
});
