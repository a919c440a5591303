// What is chosen or dropped, and whether it may be sent at all.
const NOT_PICTURES = /\.(txt|md|json|jsonl|html|ini|db)$/i;
const ZIP = /\.zip$/i;
const CSV = /\.csv$/i;

// From an <input type="file">; a folder's files bring their path along.
export function chosen(input) {
  return [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })).filter(meant);
}

// From a drop, with everything that lies in dropped folders.
export async function dropped(transfer) {
  // Asked for at once: after the first wait the browser has forgotten what was dropped.
  const items = [...transfer.items].map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const found = [];
  for (const { entry, file } of items) {
    if (entry) await walk(entry, found);
    else if (file) found.push({ file, name: file.name });
  }
  return found.filter(meant);
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    found.push({ file, name: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  // A folder is read in pieces; the last one is empty.
  for (;;) {
    const piece = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!piece.length) return;
    for (const inside of piece) await walk(inside, found);
  }
}

function meant({ name }) {
  const parts = name.split("/");
  return !parts.some((part) => part.startsWith(".") || part === "__MACOSX") && !NOT_PICTURES.test(name);
}

// A sentence that says why these files cannot be sent, or "".
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

// Pictures that the server would refuse: there is no use in sending them.
export function tooLarge(files, most) {
  return files.filter(({ file, name }) => !ZIP.test(name) && !CSV.test(name) && file.size > most.picture);
}

export const inFolders = (files) => files.every(({ name }) => name.includes("/") || ZIP.test(name) || CSV.test(name));

export const sum = (files) => files.reduce((bytes, { file }) => bytes + file.size, 0);

export function size(bytes) {
  if (bytes < 1024 ** 2) return `${Math.max(1, Math.round(bytes / 1024))} KB`;
  return bytes < 1024 ** 3 ? `${(bytes / 1024 ** 2).toFixed(1)} MB` : `${(bytes / 1024 ** 3).toFixed(1)} GB`;
}
