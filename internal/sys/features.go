package sys

// Features says which of the calls that make deaths quick to notice this system
// has. All the rest works without them.
type Features struct {
	RobustList bool // the kernel marks the slot of a process that dies
	FutexWaitv bool // one call sleeps on several words
	Membarrier bool // one call stops the threads of a process that is dying
	OFDLocks   bool // locks of bytes that belong to an open file
	Memfd      bool // files without a name, in memory
	TmpFile    bool // files without a name, in a directory, that get one later
	Guards     bool // memory whose file was truncated can be replaced by zeros: see NewGuard
}

// DisableVariable is the environment variable that lists features (robustlist,
// futexwaitv, membarrier, tmpfile, guards; separated by commas) that this process
// must do without. It is read once.
const DisableVariable = "SHOAL_DISABLE"
