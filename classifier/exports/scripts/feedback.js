// Takes the place of the site's script: feedback, with its consent, is for the site's own pages.
export function offerFeedback() {}
