package event

import "github.com/shoal-ipc/shoal/internal/satomic"

// Bell returns the word that waiters sleep on.
func (c *Core) Bell() *satomic.Uint32 { return &c.words.bell }

// Raise puts the flag up and tells nobody.
func (c *Core) Raise() { c.words.state.Add(oneRound | up) }
