// Package sys holds every system call of the module: the only importer of
// golang.org/x/sys, mmap-go and gofrs/flock. It knows nothing of segments.
package sys
