//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/shoal-ipc/shoal/shm"
)

// repairing is the operation of who opens a segment in which somebody died: it
// repairs what that one left. Its guardian's steps count too.
func repairing() *operation {
	return &operation{name: "(repair)", bare: true, everywhere: true, do: quietly(func(ctx context.Context, w repairer) error {
		_, err := shm.Open(ctx, segmentName, w.opts)
		return err
	})}
}

// repairer is the world of a process that knows nothing but where the segment is.
type repairer place

func (repairer) begin(context.Context, string) error   { return errors.ErrUnsupported }
func (repairer) state(context.Context) (string, error) { return "", errors.ErrUnsupported }
func (repairer) work(context.Context) error            { return errors.ErrUnsupported }

// remains are the files of a segment whose user is dead and not yet repaired.
type remains map[string][]byte

// die has a victim die at a step while nobody else has the segment open, and
// returns what it leaves.
func (h *hand) die(ctx context.Context, op *operation, kill int) (left remains, killed bool, err error) {
	if err := errors.Join(h.strike(), h.set(ctx)); err != nil {
		return nil, false, err
	}
	p := &play{hand: h, take: take{op: op, kill: kill}}
	if err := p.begin(ctx); err != nil {
		return nil, false, err
	}
	defer p.victim.kill()
	if err := h.leave(); err != nil {
		return nil, false, err
	}
	if err := p.victim.resume(); err != nil {
		return nil, false, err
	}
	switch line, err := p.victim.hear(patience); {
	case errors.Is(err, errDead):
		killed = true
	case err != nil:
		return nil, false, err
	default:
		if _, err := parse(line); err != nil {
			return nil, false, err
		}
	}
	p.victim.kill()
	left = remains{}
	files, err := os.ReadDir(h.dir)
	for _, f := range files {
		data, e := os.ReadFile(filepath.Join(h.dir, f.Name()))
		left[f.Name()], err = data, errors.Join(err, e)
	}
	return left, killed, err
}

// lay makes the hand's directory what left says.
func (h *hand) lay(left remains) error {
	err := errors.Join(h.strike())
	h.rounds++
	h.dir = filepath.Join(h.top, fmt.Sprint(h.rounds))
	h.opts = &shm.Options{Dir: h.dir}
	err = errors.Join(err, os.Mkdir(h.dir, 0o700))
	for name, data := range left {
		err = errors.Join(err, os.WriteFile(filepath.Join(h.dir, name), data, 0o600))
	}
	return err
}

// killRepairers has a victim of op die at a step, and kills the process that
// repairs what it left: at every step if count is 0, else at so many.
func (h *hand) killRepairers(ctx context.Context, op *operation, kill, count int) (kills int, err error) {
	left, killed, err := h.die(ctx, op, kill)
	if err != nil {
		return 0, fmt.Errorf("%s killed at step %d: %w", op.name, kill, err)
	}
	once := func(n int) (steps int, ended bool, err error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := h.lay(left); err != nil {
			return 0, false, err
		}
		steps, ended, err = h.repairOnce(ctx, n)
		if err == nil {
			sc := (&play{take: take{op: op}}).scene(killed)
			got := outcome{}
			if !killed {
				sc.actors[0].moves = silent(op.moves)
			}
			err = h.books(ctx, sc, got)
		}
		if err != nil {
			err = fmt.Errorf("%s killed at step %d, who repaired at step %d: %w", op.name, kill, n, err)
		}
		return steps, ended, err
	}
	steps, _, err := once(0)
	if err != nil {
		return 0, err
	}
	points := spread(steps, count)
	for n := 1; count == 0 || n <= len(points); n++ {
		at := n
		if count > 0 {
			at = points[n-1]
		}
		_, ended, err := once(at)
		if err != nil {
			return kills, err
		}
		if !ended {
			kills++
		} else if count == 0 {
			break
		}
	}
	return kills, nil
}

// silent returns moves of which nobody hears what they said.
func silent(moves []move) []move {
	var list []move
	for _, m := range moves {
		list = append(list, func(state, me string) []turn {
			turns := m(state, me)
			for i := range turns {
				turns[i].said = ""
			}
			return turns
		})
	}
	return list
}

// repairOnce kills a repairer at a step, unless that is 0, and has the hand
// repair the rest.
func (h *hand) repairOnce(ctx context.Context, kill int) (steps int, ended bool, err error) {
	r, err := h.nursery.take()
	if err != nil {
		return 0, false, err
	}
	defer r.kill()
	if err := r.send(order{Stage: h.stage.name, Part: h.stage.part, Operation: repairing().name, Dir: h.dir, Kill: kill}); err != nil {
		return 0, false, err
	}
	if err := r.resume(); err != nil {
		return 0, false, err
	}
	line, err := r.hear(patience)
	if err == nil {
		said, err := parse(line)
		if err != nil {
			return 0, false, fmt.Errorf("repair: %w", err)
		}
		steps, ended = said.Steps, true
	} else if !errors.Is(err, errDead) {
		return 0, false, err
	}
	r.kill()
	if err := h.reopen(ctx); err != nil {
		return 0, false, err
	}
	return steps, ended, h.awaitRepair(ctx, r)
}

// trio is pair with a third process that is killed at a step of repairing what
// the victim left, while the peer does not run at all.
func (h *hand) trio(ctx context.Context, d duo, kill, pause, repair int) (killed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s killed at step %d, %s at step %d, repair killed at step %d: %w",
				d.victim.name, kill, d.peer.name, pause, repair, err)
		}
	}()
	if err := errors.Join(h.strike(), h.set(ctx)); err != nil {
		return false, err
	}
	p := &play{hand: h, take: take{op: d.victim, kill: kill, other: &other{op: d.peer, pause: pause}}}
	if err := p.begin(ctx); err != nil {
		return false, err
	}
	defer p.victim.kill()
	if err := errors.Join(p.enterPeers(), p.stopPeer(), h.leave(), p.victim.resume()); err != nil {
		return false, err
	}
	// Should it wait for the peer, then it dies waiting.
	line, died := p.victim.hear(longWait * look)
	var r report
	if died == nil {
		if r, err = parse(line); err != nil {
			return false, err
		}
	}
	p.victim.kill()
	_, ended, err := h.repairOnce(ctx, repair)
	if err != nil {
		return false, err
	}
	if err := errors.Join(h.awaitRepair(ctx, p.victim), p.cast[0].proceed()); err != nil {
		return false, err
	}
	if err := p.endPeers(ctx); err != nil {
		return false, err
	}
	return !ended, p.verify(ctx, r, died == nil)
}

func (p *play) stopPeer() error {
	if len(p.cast) == 0 {
		return nil // it could not be made to come
	}
	return p.cast[0].stop()
}
