//go:build shmcheck

package explore

// company is the goroutines of a search, which play the bodies of one schedule after
// another: starting one for each would cost its stack's growing, again and again.
type company struct{ players []*player }

// player is one goroutine.
type player struct {
	parts chan part
	turn  chan struct{} // tells the body that it plays to go on
	id    uint64        // of the goroutine
	busy  bool          // with a body, or for ever because that has ended the goroutine
}

// part is a body to play.
type part struct {
	*run
	*actor
}

// play has one who is free play a body.
func (c *company) play(r *run, a *actor) {
	for _, p := range c.players {
		if !p.busy {
			a.player = p
			break
		}
	}
	if a.player == nil {
		a.player = &player{parts: make(chan part), turn: make(chan struct{})}
		c.players = append(c.players, a.player)
		go a.player.work()
	}
	a.player.busy = true
	a.player.parts <- part{r, a}
}

func (p *player) work() {
	p.id = goroutine()
	for next := range p.parts {
		next.live(next.run)
		p.busy = false
	}
}

// dismiss ends all players but those in the middle of a body, for ever.
func (c *company) dismiss() {
	for _, p := range c.players {
		close(p.parts)
	}
}
