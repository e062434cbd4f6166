//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/shoal-ipc/shoal/shm"
)

// bed is a segment with the objects of one operation.
type bed struct {
	op   operation
	seg  *shm.Segment
	file *os.File // the segment's
	what subject
}

func newBed(ctx context.Context, op operation) (*bed, error) {
	seg, err := shm.Anonymous(shm.Spec{Participants: 16})
	if err != nil {
		return nil, err
	}
	b := &bed{op: op, seg: seg}
	if b.file, err = seg.File(); err != nil {
		return nil, errors.Join(err, seg.Close())
	}
	if b.what, err = op.lay(ctx, seg); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bed) close() error { return errors.Join(b.file.Close(), b.seg.Close()) }

// outcome is how an attempt ended: what the operation had done, and what was wrong
// with what was left behind.
type outcome struct {
	effect int
	fault  error
}

// attempt starts a child, has walk trace it from the beginning of the operation
// on, kills it, and judges. An error means that this itself failed.
func (b *bed) attempt(ctx context.Context, walk func(v *victim) error) (outcome, error) {
	for stuck := 0; ; {
		o, err := b.attemptOnce(ctx, walk)
		if errors.Is(err, errStuck) {
			stuck++
		}
		again := errors.Is(err, errSpoiled) || errors.Is(err, errStuck) && stuck < mostStuck
		if !again || o.fault != nil || ctx.Err() != nil {
			return o, err
		}
	}
}

// mostStuck is how often a child may get stuck: it does so if it needs a thread
// of its own that stands still.
const mostStuck = 3

func (b *bed) attemptOnce(ctx context.Context, walk func(v *victim) error) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*watchdog)
	defer cancel()
	deaths := b.seg.Deaths(ctx)
	var env []string
	if b.op.sleeps {
		env = []string{"GOMAXPROCS=1"} // so that nobody spins, which takes a hundred thousand instructions
	}
	v, err := start(b.op.name, b.file, env...)
	if err != nil {
		return outcome{}, err
	}
	v.loose = b.op.sleeps
	help := b.relief(ctx, v.cmd.Process.Pid)
	for _, part := range []func() error{
		func() error { return b.what.fill(ctx) },
		v.hold,
		func() error { return b.what.meet(ctx) },
		v.begin,
		func() error { return walk(v) },
	} {
		if err = part(); err != nil {
			break
		}
	}
	helped := help()
	if v.isStuck() {
		err = errStuck // whatever else came of it
	}
	if failed := errors.Join(v.kill(), v.complaint(), helped); failed != nil {
		return outcome{}, errors.Join(err, failed)
	}
	if err == nil || errors.Is(err, errSpoiled) || errors.Is(err, errStuck) || errors.Is(err, errOver) {
		return b.aftermath(ctx, deaths, v.cmd.Process.Pid), err
	}
	return outcome{}, err
}

// aftermath waits until the death is repaired, and judges.
func (b *bed) aftermath(ctx context.Context, deaths iter.Seq2[shm.Death, error], pid int) (o outcome) {
	for d, err := range deaths {
		if err != nil {
			return outcome{fault: fmt.Errorf("the death is not repaired: %w", err)}
		}
		if d.Participant.PID != pid {
			continue // of who died for the sake of the subject
		}
		if r, ok := b.what.(reliever); ok {
			if err := r.relieve(ctx); err != nil {
				return outcome{fault: err}
			}
		}
		o.effect, err = b.what.judge(ctx, d)
		o.fault = errors.Join(err, b.seg.Check())
		return o
	}
	return o
}

// learn has a child execute the whole operation, and returns the addresses of
// its instructions.
func (b *bed) learn(ctx context.Context) (pcs []int64, o outcome, err error) {
	o, err = b.attempt(ctx, func(v *victim) (err error) {
		if pcs, err = v.trace(); err == nil {
			err = v.finish()
		}
		return err
	})
	if err == nil && o.fault == nil && o.effect != b.op.full {
		o.fault = fmt.Errorf("the effect of the whole operation is %d, want %d", o.effect, b.op.full)
	}
	return pcs, o, err
}

// kill kills a child that walk has brought to an instruction of the operation. It
// returns the address of the one that would have been next.
func (b *bed) kill(ctx context.Context, walk func(v *victim) error) (pc int64, o outcome, err error) {
	o, err = b.attempt(ctx, func(v *victim) (err error) {
		if err = walk(v); err == nil {
			pc, err = v.next()
		}
		return err
	})
	return pc, o, err
}

// reliever is a subject that children wait for. It is told to end that when one does,
// and once more when that one is dead.
type reliever interface {
	relieve(ctx context.Context) error
}

// relief has the subject end the child's waiting as soon as it waits. What is
// returned gives that up, and says whether it failed.
func (b *bed) relief(ctx context.Context, pid int) (stop func() error) {
	r, ok := b.what.(reliever)
	if !ok {
		return func() error { return nil }
	}
	watch, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for watch.Err() == nil {
			holds, err := b.seg.Holds()
			if err != nil {
				done <- err
				return
			}
			if slices.ContainsFunc(holds, func(h shm.Hold) bool { return h.Waiting && h.Participant.PID == pid }) {
				done <- r.relieve(ctx)
				return
			}
			select {
			case <-tick.C:
			case <-watch.Done():
			}
		}
		done <- nil
	}()
	return func() error {
		cancel()
		return <-done
	}
}
