// Reads chosen or dropped files, and checks whether they may be uploaded.
const NOT_PICTURES = /\.(txt|md|json|jsonl|html|ini|db)$/i;
const ZIP = /\.zip$/i;
const CSV = /\.csv$/i;

// Returns the files of an <input type="file">; those of a folder are named with their path.
export function chosen(input) {
  return [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })).filter(isWanted);
}

// Returns the files of a drop, with everything in dropped folders.
export async function dropped(transfer) {
  // All read before the first await, after which the browser forgets what was dropped.
  const items = [...transfer.items].map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const files = [];
  for (const { entry, file } of items) {
    if (entry) await walk(entry, files);
    else if (file) files.push({ file, name: file.name });
  }
  return files.filter(isWanted);
}

async function walk(entry, files) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    files.push({ file, name: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  // A folder is read in pieces; the last one is empty.
  for (;;) {
    const piece = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!piece.length) return;
    for (const inside of piece) await walk(inside, files);
  }
}

function isWanted({ name }) {
  const parts = name.split("/");
  return !parts.some((part) => part.startsWith(".") || part === "__MACOSX") && !NOT_PICTURES.test(name);
}

// Returns a sentence that says why these files cannot be sent, or "".
export function refusal(files, most, held) {
  const single = files.filter(({ name }) => ZIP.test(name) || CSV.test(name));
  if (single.length && files.length + held.files > 1) {
    return "Upload pictures, or one ZIP, or one CSV of addresses; not several of these together.";
  }
  const csv = files.find(({ name }) => CSV.test(name));
  if (csv && csv.file.size > most.csv) return `A CSV has at most ${size(most.csv)}; split it up.`;
  if (files.length + held.files > most.files) {
    return `One upload has at most ${most.files} files, these are ${files.length + held.files}; pack them into a ZIP.`;
  }
  const bytes = sum(files) + held.bytes;
  if (bytes > most.bytes) return `One upload has at most ${size(most.bytes)}, these are ${size(bytes)}; send it in several.`;
  return "";
}

// Returns the pictures that are larger than the server takes.
export function tooLarge(files, most) {
  return files.filter(({ file, name }) => !ZIP.test(name) && !CSV.test(name) && file.size > most.picture);
}

export const inFolders = (files) => files.every(({ name }) => name.includes("/") || ZIP.test(name) || CSV.test(name));

export const sum = (files) => files.reduce((bytes, { file }) => bytes + file.size, 0);

export function size(bytes) {
  if (bytes < 1024 ** 2) return `${Math.max(1, Math.round(bytes / 1024))} KB`;
  return bytes < 1024 ** 3 ? `${(bytes / 1024 ** 2).toFixed(1)} MB` : `${(bytes / 1024 ** 3).toFixed(1)} GB`;
}
