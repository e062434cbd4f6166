//go:build linux && shmcheck

package killsweep

import (
	"context"
	"fmt"
)

// duo is a pair of operations: a victim's, and one that another process is in
// the middle of.
type duo struct{ victim, peer *operation }

// duos returns the pairs of a stage that cannot wait for each other for ever.
func (s *stage) duos() ([]duo, error) {
	var list []duo
	for _, op := range s.operations {
		if op.relief != nil || op.beside != "" || op.bare {
			continue
		}
		for _, name := range s.peers {
			peer, err := s.operation(name)
			if err != nil {
				return nil, err
			}
			p := &play{take: take{op: op, other: &other{op: peer}}}
			if !p.scene(true).endless() {
				list = append(list, duo{op, peer})
			}
		}
	}
	return list, nil
}

// paces says how many points of each of two processes are tried.
type paces struct{ victims, peers int }

// pair kills the victim of d at some of its steps while the peer stands at some
// of its own.
func (h *hand) pair(ctx context.Context, d duo, p paces) (kills int, err error) {
	victims, err := h.length(ctx, d.victim)
	if err != nil {
		return 0, err
	}
	peers, err := h.length(ctx, d.peer)
	if err != nil {
		return 0, err
	}
	for i, m := range spread(peers, p.peers) {
		for _, n := range spread(victims, p.victims) {
			_, ended, err := h.once(ctx, take{op: d.victim, kill: min(n+i, victims), other: &other{op: d.peer, pause: m}})
			if err != nil {
				return kills, err
			}
			if !ended {
				kills++
			}
		}
	}
	return kills, nil
}

// length returns how many steps an operation has when nobody dies.
func (h *hand) length(ctx context.Context, op *operation) (int, error) {
	t := take{op: op}
	if op.beside != "" {
		p, err := h.stage.operation(op.beside)
		if err != nil {
			return 0, err
		}
		t.other = &other{op: p, two: op.two}
	}
	steps, ended, err := h.once(ctx, t)
	if err == nil && !ended {
		err = fmt.Errorf("%s does not come to its end", op.name)
	}
	return steps, err
}

// spread returns up to count numbers from 1 to length.
func spread(length, count int) []int {
	var list []int
	for i := range min(count, length) {
		list = append(list, 1+(2*i+1)*length/(2*min(count, length)))
	}
	for i := range list {
		list[i] = min(list[i], length)
	}
	return list
}
