// Explanations show photographs of the installation; they are on its own pages alone.
export function offerWhy() {}
