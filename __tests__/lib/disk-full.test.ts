import { tmpdir } from 'node:os';
import { expect, test } from '@jest/globals';
import { isDiskFull, namingDisk } from '../../src/lib/disk-full.ts';
import { MachineError } from '../../src/lib/errors.ts';

test('The disk that is full is named, and the step ends with the status that it would have ended with', async () => {
  const cause = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  const failed = new MachineError('the release is restore-failed', { cause, exitStatus: 3 });
  const named = await namingDisk(failed, [tmpdir()]);
  expect(named).toMatchObject({
    message: expect.stringMatching(
      /^a disk is full \(.*\): the release is restore-failed \(no space left\)$/,
    ),
    exitStatus: 3,
  });
  expect(await namingDisk(cause, [tmpdir()])).toMatchObject({ exitStatus: undefined });
});

test.each(['ENOSPC', 'EDQUOT', 'EFBIG'])('%s is a disk that is full, however deep it lies', (code) => {
  const cause = Object.assign(new Error('write'), { code });
  expect(isDiskFull(new MachineError('outer', { cause }))).toBe(true);
  expect(isDiskFull(new MachineError('outer'))).toBe(false);
  expect(isDiskFull(code)).toBe(false);
});
