package process

// executable returns the path by which the kernel runs this very executable
// again, also if its file was replaced or deleted since.
func executable() string { return "/proc/self/exe" }
