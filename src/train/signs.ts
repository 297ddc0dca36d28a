/** What a program's last lines say of its end. */
export type Sign = 'memory' | 'gpu-memory' | 'disk' | 'killed';

const SIGNS: readonly (readonly [sign: Sign, pattern: RegExp])[] = [
  // PyTorch, CUDA, ROCm, XLA (JAX, TensorFlow), CuPy.
  [
    'gpu-memory',
    /CUDA out of memory|HIP out of memory|torch\.(cuda\.)?OutOfMemoryError|cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY|hipErrorOutOfMemory|CUBLAS_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED.*([Oo]ut of memory|OOM|allocat)|OOM when allocating tensor|cupy\S*\.OutOfMemoryError/,
  ],
  ['disk', /No space left on device|\bENOSPC\b|Disk quota exceeded|\bEDQUOT\b/],
  [
    'memory',
    /^\W*(\[?rank\d+\]?:? *)?([\w.]+\.)?_?(Array)?MemoryError\b|DefaultCPUAllocator: (can't|not enough)|std::bad_alloc|\[Errno 12\]|Cannot allocate memory|terminated due to an out of memory|insufficient shared memory/,
  ],
  // torchrun, PyTorch's DataLoader, Python's process pools.
  [
    'killed',
    /exitcode\s*: -9\b|Signal 9 \(SIGKILL\)|killed by signal: Killed|process in the process pool was terminated abruptly/,
  ],
];

/** The last sign among the lines; what came before it may have been overcome. */
export function signIn(lines: readonly string[]): Sign | undefined {
  for (const line of lines.toReversed()) {
    const found = SIGNS.find(([, pattern]) => pattern.test(line));
    if (found !== undefined) return found[0];
  }
  return undefined;
}
