package condition

// Enter counts in one that waits.
func (c *Core) Enter(slot uint32) { c.enter(slot) }

// Signal gives one signal.
func (c *Core) Signal() bool { return c.signal(0) }
