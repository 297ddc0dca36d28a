/** The scanner of pickles, and the digest of its wheel. */
export const SCANNER = 'picklescan 1.0.5';
export const SCANNER_REQUIREMENTS = `picklescan==1.0.5 \\
    --hash=sha256:2abb3d4959a7ee9ccb1e1296db7c56f624bf6d345b93a0a9cf4185bc650dc2fd
`;

/**
 * Shows the scanner what is in a file, one pickle at a time, and believes nothing that it leaves open. By itself it calls
 * clean what it cannot parse, passes over archives in archives and pickles under other names, and mixes up the memos of two
 * pickles in a row. So each pickle goes to its end and no further, archives hold nothing but what is known, any name that
 * is not known to be harmless counts (its strict mode), and so does whatever it complains of.
 */
export const SCANNER_SCRIPT = String.raw`
import ast, io, json, logging, pickletools, re, struct, sys, zipfile
from picklescan.scanner import SafetyLevel, scan_pickle_bytes

LARGEST = 1 << 30
scanned, problems, complaints = 0, [], []

class Complaints(logging.Handler):
    def emit(self, record):
        complaints.append(record.getMessage())

logger = logging.getLogger('picklescan')
logger.propagate = False
logger.addHandler(Complaints(logging.WARNING))

def pickle(stream, name):
    global scanned
    try:
        for opcode, _, _ in pickletools.genops(stream):
            if opcode.name.startswith('EXT'):
                problems.append(f'{name} imports by number')
    except Exception as error:
        return problems.append(f'{name} is no whole pickle ({error})')
    if stream.read(1):
        return problems.append(f'{name} goes on behind its pickle')
    stream.seek(0)
    result = scan_pickle_bytes(stream, name, multiple_pickles=False, strict=True)
    scanned += result.scanned_files
    for found in sorted(result.globals, key=lambda one: (one.module, one.name)):
        if found.safety is not SafetyLevel.Innocuous:
            problems.append(f'{name} imports {found.module}.{found.name}')
    if result.scan_err or result.issues_count and not problems:
        problems.append(f'{name} cannot be judged')

def array(stream, name):
    major = stream.read(8)[6]
    length = struct.unpack('<H', stream.read(2))[0] if major == 1 else struct.unpack('<I', stream.read(4))[0]
    if length > 65536:
        return problems.append(f'{name} has no header of NumPy')
    header = ast.literal_eval(stream.read(length).decode('utf-8'))
    if re.search(r'"[|<>=]?O\d*"', json.dumps(header['descr'])):
        pickle(io.BytesIO(stream.read(LARGEST)), name)

def central_directory(file):
    """Where the list of entries lies, and how many there are; readers differ where it is not the last thing in the file."""
    size = file.seek(0, 2)
    file.seek(size - 22)
    magic, _, _, _, count, length, begin, comment = struct.unpack('<4s4H2LH', file.read(22))
    end = size - 22
    file.seek(max(0, end - 20))
    locator = file.read(20)
    if locator[:4] == b'PK\6\7':
        end = struct.unpack('<Q', locator[8:16])[0]
        file.seek(end)
        count, length, begin = struct.unpack('<4Q', file.read(56)[24:])[1:]
        if end + 56 + 20 + 22 != size:
            return None
    return count if magic == b'PK\5\6' and comment == 0 and begin + length == end else None

def archive(path):
    with open(path, 'rb') as file:
        count = central_directory(file)
    with zipfile.ZipFile(path) as opened:
        entries = opened.infolist()
        if count != len(entries) or len({entry.filename for entry in entries}) != count:
            return problems.append('the archive can be read in two ways')
        for entry in entries:
            name = entry.filename
            if entry.is_dir() or re.fullmatch(
                r'[^/]+/(data/\d+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id)', name
            ):
                continue
            if entry.file_size > LARGEST or not re.search(r'\.(pkl|npy)$', name):
                problems.append(f'{name} is nothing that PyTorch or NumPy writes for tensors')
                continue
            stream = io.BytesIO(opened.read(entry))
            array(stream, name) if name.endswith('.npy') else pickle(stream, name)

path = sys.argv[1]
try:
    with open(path, 'rb') as file:
        magic = file.read(6)
        file.seek(0)
        if magic[:2] == b'PK':
            archive(path)
        elif magic == b'\x93NUMPY':
            array(file, 'the array')
        else:
            pickle(file, 'the pickle')
except Exception as error:
    problems.append(f'it cannot be read ({error})')
print(json.dumps({'scanned': scanned, 'problems': (problems or complaints)[:20]}))
`;
