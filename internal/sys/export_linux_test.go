package sys

// InParts is inParts.
var InParts = inParts

// WriteZeros is writeZeros.
var WriteZeros = writeZeros

// HiddenPrefix is hiddenPrefix.
const HiddenPrefix = hiddenPrefix
