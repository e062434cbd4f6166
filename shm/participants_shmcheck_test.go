//go:build shmcheck

package shm

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/guardian"
)

// audited is a backing of which somebody else has a slot's byte for a moment.
type audited struct {
	heapBacking
	looks int
}

func (b *audited) join(slot uint32) (member, error) {
	if b.looks++; b.looks == 1 {
		return nil, errTaken
	}
	return b.heapBacking.join(slot)
}

// TestAttachWhileAudited has the one free slot be looked at by an audit: whoever
// attaches learns that it will be free, and tries again.
func TestAttachWhileAudited(t *testing.T) {
	v := newDrama(t).view
	for i := range v.participants[1:] {
		v.participants[i+1].word.Store(7 | guardian.Waiters)
	}
	k := &keeper{view: v, back: &audited{heapBacking: heapBacking{view: v}}, place: newPlace()}
	if _, _, err := k.attach(); !errors.Is(err, errLeaving) || !errors.Is(err, ErrNoSpace) {
		t.Errorf("attach beside an audit: %v", err)
	}
	if slot, _, err := k.attach(); slot != 1 || err != nil {
		t.Errorf("attach after it: slot %d, %v", slot, err)
	}
	if _, _, err := k.attach(); errors.Is(err, errLeaving) || !errors.Is(err, ErrNoSpace) {
		t.Errorf("attach where all slots are taken: %v", err)
	}
}

// TestProofSchedulesOfParticipants has one look at who is attached, while a slot
// becomes another process's: nobody is made of two.
func TestProofSchedulesOfParticipants(t *testing.T) {
	alone(t)
	one := identityOfProcess{pid: 1, exe: "one"}
	two := identityOfProcess{pid: 2, exe: "two"}
	play := func(look func(k *keeper) []Participant) func() explore.Play {
		return func() explore.Play {
			v := newDrama(t).view
			k := &keeper{view: v, back: &heapBacking{view: v}}
			p := &v.participants[0]
			v.header.high.Store(1)
			p.introduceAs(one)
			p.word.Store(1 | guardian.Waiters)
			return explore.Play{Bodies: []explore.Body{
				{Name: "attacher", Run: func() error {
					p.left.Store(1)
					p.word.Store(0)
					p.introduceAs(two)
					p.word.Store(2 | guardian.Waiters)
					return nil
				}},
				{Name: "looker", Run: func() error {
					for _, p := range look(k) {
						if p.PID == 1 && p.Exe != one.exe || p.PID == 2 && p.Exe != two.exe {
							return fmt.Errorf("%d is %s", p.PID, p.Exe)
						}
					}
					return nil
				}},
			}}
		}
	}
	explore.Prove(t, []explore.Scene{{
		Name: "look, while one goes and another one comes", Quick: explore.Limits{Switches: 2}, Full: explore.Limits{Switches: 2},
		Play: play((*keeper).attached),
	}})
	explore.MustFind(t, explore.Limits{Switches: 2}, play(func(k *keeper) []Participant {
		return []Participant{k.describe(1)} // a planted fault: it looks once
	}))
}
