// Feedback may leave a photo with the installation; that is asked for on its own pages alone.
export function offerFeedback() {}
