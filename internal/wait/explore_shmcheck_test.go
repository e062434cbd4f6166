//go:build shmcheck

package wait_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// turnstile is what the pattern of Point waits for in these plays: tokens, and a
// word to sleep on, which a waiter flags and whoever adds a token changes.
type turnstile struct {
	tokens, word satomic.Uint32
	points       []*wait.Point
	parties      []*wait.Party
}

const flag = 1 << 31

// process adds a process that waits at the turnstile.
func (s *turnstile) process() (*wait.Point, *wait.Party) {
	p, party := wait.NewPoint(&s.word, 0), wait.NewParty()
	s.points, s.parties = append(s.points, p), append(s.parties, party)
	return p, party
}

func (s *turnstile) try() bool {
	for {
		n := s.tokens.Load()
		if n == 0 {
			return false
		}
		if s.tokens.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

func (s *turnstile) announce() uint32 {
	for {
		x := s.word.Load()
		if x&flag != 0 || s.word.CompareAndSwap(x, x|flag) {
			return x | flag
		}
	}
}

// wake wakes one sleeper. The flag stays: others may sleep.
func (s *turnstile) wake() {
	if s.word.Load()&flag != 0 {
		s.word.Add(1)
		s.points[0].Wake(1)
	}
}

func (s *turnstile) add() error {
	s.tokens.Add(1)
	s.wake()
	return nil
}

// pass is the blocking operation that Point's documentation describes.
func (s *turnstile) pass(ctx context.Context, p *wait.Point, party *wait.Party, limit time.Duration) error {
	if s.try() || p.Spin(s.try) {
		return nil
	}
	if err := p.Enter(ctx, party); err != nil {
		return err
	}
	defer p.Leave()
	for {
		if s.try() {
			return nil
		}
		want := s.announce()
		if s.try() {
			return nil
		}
		if err := p.Sleep(ctx, party, want, limit); err != nil {
			s.wake() // what it may have been meant for
			return err
		}
	}
}

// waiter is a body that passes the turnstile; a dead one's wake-up is passed on.
func (s *turnstile) waiter(ctx context.Context, name string, p *wait.Point, party *wait.Party) explore.Body {
	return explore.Body{Name: name, Run: func() error {
		err := s.pass(ctx, p, party, wait.Slice)
		if errors.Is(err, context.Canceled) || errors.Is(err, fs.ErrClosed) {
			return nil
		}
		return err
	}}
}

func (s *turnstile) play(bodies ...explore.Body) explore.Play {
	return explore.Play{Bodies: bodies, Close: func() {
		for _, p := range s.parties {
			p.Close()
		}
	}}
}

// TestProofSchedulesOfPoints tries the orders of those who wait by the pattern of
// Point, in one process and in several.
func TestProofSchedulesOfPoints(t *testing.T) {
	ctx := context.Background()
	processes := func(n int) (*turnstile, []explore.Body) {
		s := &turnstile{}
		var bodies []explore.Body
		for i := range n {
			p, party := s.process()
			bodies = append(bodies, s.waiter(ctx, fmt.Sprint("waiter ", i), p, party))
		}
		return s, bodies
	}
	adder := func(s *turnstile, n int) explore.Body {
		return explore.Body{Name: "adder", Run: func() error {
			for range n {
				if err := s.add(); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	limits := func(switches int) explore.Limits { return explore.Limits{Switches: switches} }
	explore.Prove(t, []explore.Scene{
		{Name: "one waits", Quick: limits(3), Full: limits(5), Play: func() explore.Play {
			s, bodies := processes(1)
			return s.play(append(bodies, adder(s, 1))...)
		}},
		{Name: "one waits in vain and is closed", Quick: limits(3), Full: limits(5), Play: func() explore.Play {
			s, bodies := processes(1)
			return s.play(append(bodies, explore.Body{Name: "close", Run: func() error {
				s.parties[0].Close()
				return nil
			}})...)
		}},
		{Name: "one waits in vain and gives up", Quick: limits(3), Full: limits(5), Play: func() explore.Play {
			s := &turnstile{}
			p, party := s.process()
			c, cancel := context.WithCancel(ctx)
			return s.play(s.waiter(c, "waiter", p, party), explore.Body{Name: "impatience", Run: func() error {
				cancel()
				return nil
			}})
		}},
		{Name: "two processes wait", Quick: limits(1), Full: limits(2), Play: func() explore.Play {
			s, bodies := processes(2)
			return s.play(append(bodies, adder(s, 2))...)
		}},
		{Name: "two goroutines wait", Quick: limits(1), Full: limits(2), Play: func() explore.Play {
			s := &turnstile{}
			p, party := s.process()
			return s.play(s.waiter(ctx, "first", p, party), s.waiter(ctx, "second", p, party), adder(s, 2))
		}},
		{Name: "two goroutines wait, one gives up", Quick: limits(1), Full: limits(2), Play: func() explore.Play {
			s := &turnstile{}
			p, party := s.process()
			c, cancel := context.WithCancel(ctx)
			return s.play(s.waiter(c, "first", p, party), s.waiter(ctx, "second", p, party), adder(s, 1),
				adderAfter(s, cancel))
		}},
		{Name: "two processes wait, one closes", Quick: limits(1), Full: limits(2), Play: func() explore.Play {
			s, bodies := processes(2)
			return s.play(append(bodies, adder(s, 2), explore.Body{Name: "close", Run: func() error {
				s.parties[0].Close()
				return nil
			}})...)
		}},
		{Name: "one waits for short times", Quick: limits(2), Full: limits(4), Play: func() explore.Play {
			s := &turnstile{}
			p, party := s.process()
			return s.play(explore.Body{Name: "waiter", Run: func() error {
				return s.pass(ctx, p, party, time.Millisecond)
			}}, explore.Body{Name: "silent", Run: func() error {
				s.tokens.Add(1) // and wakes nobody
				return nil
			}})
		}},
	})
}

// adderAfter gives up for one waiter, and adds a token that the other may need.
func adderAfter(s *turnstile, cancel func()) explore.Body {
	return explore.Body{Name: "impatience", Run: func() error {
		err := s.add()
		cancel()
		return err
	}}
}

// TestProofFindsASleeperThatDoesNotLookAgain plants the fault that the pattern is
// there to avoid.
func TestProofFindsASleeperThatDoesNotLookAgain(t *testing.T) {
	explore.MustFind(t, explore.Limits{Switches: 2}, func() explore.Play {
		s := &turnstile{}
		p, party := s.process()
		return s.play(explore.Body{Name: "waiter", Run: func() error {
			for !s.try() {
				want := s.announce() // and sleeps at once
				if err := p.Sleep(context.Background(), party, want, wait.Slice); err != nil {
					return err
				}
			}
			return nil
		}}, explore.Body{Name: "adder", Run: s.add})
	})
}
