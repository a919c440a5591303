// A phone's photo has many times the pixels that the model uses. A smaller copy, upright and without
// the camera's metadata, gives the same answer at a fraction of the bytes.
const QUALITY = 0.9;

// A JPEG whose longer side has `side` pixels; the file itself where it is no larger than that, where
// the copy would have more bytes, and where this browser cannot read the format.
export async function shrink(file, side) {
  let whole;
  try {
    whole = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = side / Math.max(whole.width, whole.height);
    if (!(scale > 0 && scale < 1)) return file;
    const [width, height] = [whole.width, whole.height].map((n) => Math.max(1, Math.round(n * scale)));
    const small = await createImageBitmap(whole, {
      resizeWidth: width, resizeHeight: height, resizeQuality: "high",
    });
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff"; // as the site does behind transparent parts
    context.fillRect(0, 0, width, height);
    context.drawImage(small, 0, 0);
    small.close();
    const copy = await new Promise((done) => { canvas.toBlob(done, "image/jpeg", QUALITY); });
    return copy && copy.size < file.size ? copy : file;
  } catch {
    return file;
  } finally {
    whole?.close();
  }
}
