// Takes the place of the site's script: explanations show photographs of the installation.
export function offerWhy() {}
