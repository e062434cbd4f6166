package sys

// WriteZeros is writeZeros.
var WriteZeros = writeZeros

// HiddenPrefix is hiddenPrefix.
const HiddenPrefix = hiddenPrefix
