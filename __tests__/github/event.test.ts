import { describe, expect, test } from '@jest/globals';
import { checkEvent, readPayload } from '../../src/github/event.ts';

const own = { full_name: 'org/models' };
const pullRequest = (head: unknown) => ({ repository: own, pull_request: { head: { repo: head } } });

describe('the event that started the job', () => {
  test.each([
    undefined,
    '',
    'push',
    'schedule',
    'workflow_dispatch',
    'repository_dispatch',
    'merge_group',
    'release',
  ])('%s may train', (name) => expect(() => checkEvent(name, { repository: own })).not.toThrow());

  test('a pull request of the same repository may train', () => {
    expect(() => checkEvent('pull_request', pullRequest(own))).not.toThrow();
  });

  test.each(['pull_request_target', 'issue_comment', 'workflow_run', 'issues', 'fork', 'something_new'])(
    '%s may not, whatever it carries',
    (name) => {
      expect(() => checkEvent(name, pullRequest(own))).toThrow(
        new RegExp(
          `the event "${name}" may not train: .* Train on: push, .*pull_request of the same repository`,
        ),
      );
    },
  );

  test.each([
    [
      'a fork',
      pullRequest({ full_name: 'stranger/models', fork: true }),
      /comes from the fork stranger\/models/,
    ],
    ['a fork that was deleted', pullRequest(null), /a repository that cannot be told/],
    ['an unreadable payload', undefined, /a repository that cannot be told.*Review it, push it to a branch/],
    ['a payload without a repository', { pull_request: { head: { repo: own } } }, /cannot be told/],
  ])('a pull request from %s may not', (_, payload, message) => {
    expect(() => checkEvent('pull_request', payload)).toThrow(message);
  });

  test('a payload that is not there is none', async () => {
    expect(await readPayload(undefined)).toBeUndefined();
    expect(await readPayload('/no/such/file')).toBeUndefined();
  });
});
