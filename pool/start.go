package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// Sizes of what lies in a pool's segment.
const (
	slotSize    = 256
	resultsCap  = 256
	resultsHeap = 4 << 20
	areaSize    = 32 << 10
	fewWorkers  = 32 // more get smaller inboxes
	longMessage = 64 << 10
	manyMessage = 16 << 10
	heapShare   = 4 // messages of full length in an inbox
	mostMemory  = 1 << 34
)

// build makes the segment, and in it what the workers need.
func (p *Pool) build(ctx context.Context) error {
	n := p.opts.Workers
	p.longest = longMessage
	if n > fewWorkers {
		p.longest = manyMessage
	}
	var err error
	if p.errs, err = codec.For[process.RemoteError](); err != nil {
		return err
	}
	// A worker that has died keeps its place as a participant until it is repaired.
	if p.seg, err = shm.Anonymous(shm.Spec{Participants: 2*n + 16, MaxSize: mostMemory}); err != nil {
		return err
	}
	p.results, err = queue.Create[[]byte](ctx, p.seg, "results", queue.Spec{
		Cap: resultsCap, SlotSize: slotSize, MaxSize: longMessage, Heap: resultsHeap,
	})
	if err != nil {
		return err
	}
	p.progress, err = array.CreateAtomic[uint64](ctx, p.seg, "progress", array.Spec{Len: n * wordsPerWorker})
	if err != nil {
		return err
	}
	for i := range n {
		m, err := p.newMember(ctx, i)
		if err != nil {
			return err
		}
		p.members = append(p.members, m)
	}
	return nil
}

func (p *Pool) newMember(ctx context.Context, i int) (*member, error) {
	m := &member{index: i}
	name := strconv.Itoa(i)
	var err error
	m.inbox, err = queue.Create[[]byte](ctx, p.seg, "inbox/"+name, queue.Spec{
		Cap: inboxCap, SlotSize: slotSize, MaxSize: p.longest, Heap: heapShare * p.longest,
	})
	if err != nil {
		return nil, err
	}
	if m.area, err = array.Create[byte](ctx, p.seg, "area/"+name, array.Spec{Len: areaSize}); err != nil {
		return nil, err
	}
	m.stop, err = value.CreateAtomic(ctx, p.seg, "stop/"+name, uint64(0))
	return m, err
}

// start starts a process for m.
func (p *Pool) start(m *member) error {
	ours, theirs, err := sys.SocketPair()
	if err != nil {
		return err
	}
	defer func() { _ = theirs.Close() }() // the worker has its own
	conn, err := net.FileConn(ours)
	_ = ours.Close() // conn has its own
	if err != nil {
		return fmt.Errorf("pool: %w", err)
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.Join(errors.New("pool: the socket is none"), conn.Close())
	}
	cmd := worker.Command(post{
		Index: m.index, Inbox: m.inbox, Results: p.results, Progress: p.progress, Area: m.area, Stop: m.stop,
		Segments: theirs, Longest: longMessage,
	})
	cmd.Grace = p.opts.Grace
	child, err := cmd.Start(context.WithoutCancel(p.ctx))
	if err != nil {
		return errors.Join(err, unix.Close())
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		_ = child.Kill() // one that has ended needs none
		<-child.Done()
		return errors.Join(ErrClosed, unix.Close())
	}
	m.child = child
	p.dispatch()
	p.background.Go(func() { p.giveSegments(unix) })
	p.background.Go(func() { p.watch(m, child) })
	p.mu.Unlock()
	return nil
}
