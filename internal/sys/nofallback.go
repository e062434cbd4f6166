//go:build linux && !shmfallback

package sys

// withoutKernelHelp makes a build in which the newer calls of the kernel are
// missing, for tests of what happens without them.
const withoutKernelHelp = false
