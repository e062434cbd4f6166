// Package sys holds every system call of the module: the only importer of
// golang.org/x/sys, mmap-go and gofrs/flock. It knows nothing of segments.
//
// The real thing is for Linux. On other systems the package compiles, and its
// functions fail with errors.ErrUnsupported.
package sys
