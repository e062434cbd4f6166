package vector

// Sequence returns the word that says whether an element is being written.
func Sequence(c *Core) uint64 { return c.header.sequence.Load() }
