//go:build linux && !shmcheck

package linear

// exactDeaths says that children can die at a step of their code.
const exactDeaths = false

// disturb does nothing in this build.
func disturb(int) func() { return func() {} }
