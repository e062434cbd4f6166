package barrier

// Generation returns a number of the generation that gathers.
func (c *Core) Generation() uint64 { return uint64(c.load().generation()) }

// Arrive is what Wait does before it waits.
func (c *Core) Arrive(slot uint32) (uint64, error) {
	g, _, err := c.arrive(slot)
	return uint64(g), err
}

// Outcome returns what became of a generation.
func (c *Core) Outcome(g uint64) error { return c.outcome(generation(g)) }
