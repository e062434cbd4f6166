//go:build linux

package queue_test

import (
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// TestConformanceJoin has a subtest for each thing that users of queues with
// workers rely on.
func TestConformanceJoin(t *testing.T) {
	for name, f := range map[string]func(t *testing.T){
		"JQU-01": joinAfterTheWork, "JQU-04": manyJoin, "RQU-10": joinSurvivesAWorker, "RQU-11": noConsumerLeft,
	} {
		t.Run(name, f)
	}
}

func joinAfterTheWork(t *testing.T) {
	tasks, results := numbers(t, 16), numbers(t, 16)
	const workers, n = 4, 10
	var children []*process.Child
	for range workers {
		child, err := conformsWorks.Start(within(t), conforms{Q: tasks, Other: results})
		must(t, err)
		children = append(children, child)
	}
	for i := range n {
		must(t, tasks.Put(within(t), i+1))
	}
	must(t, tasks.Join(within(t)))
	wantLen(t, results, n)
	for range workers {
		must(t, tasks.TryPut(0))
	}
	must(t, process.Wait(within(t), children...))
	must(t, tasks.Join(within(t)))
	sum := 0
	for range n {
		x, err := results.TryGet()
		must(t, err)
		sum += x
	}
	if sum != n*(n+1)/2 {
		t.Errorf("the results add up to %d", sum)
	}
}

func manyJoin(t *testing.T) {
	q := numbers(t, 4)
	must(t, q.TryPut(1))
	d, err := q.TryReceive()
	must(t, err)
	children := talk(t, conformsJoins, conforms{Q: q}, conforms{Q: q}, conforms{Q: q})
	asleep(t, q, 3)
	for _, c := range children {
		if ended(c) {
			t.Errorf("%s has joined before the acknowledgment", c.Name())
		}
	}
	must(t, d.Ack())
	must(t, process.Wait(within(t), children...))
}

func joinSurvivesAWorker(t *testing.T) {
	q := numbers(t, 2)
	must(t, q.TryPut(7))
	victim := startTalking(t, holder, q)
	joined := mustBlock(t, func() error { return q.Join(within(t)) })
	shmtest.Kill(t, victim)
	d, err := q.Receive(within(t))
	must(t, err)
	if *d.Value() != 7 || d.Attempt() != 2 {
		t.Errorf("got %d, attempt %d", *d.Value(), d.Attempt())
	}
	must(t, d.Ack())
	must(t, joined())
}

// Nobody consumes any more: a producer waits until its time is up, or somebody
// shuts the queue down.
func noConsumerLeft(t *testing.T) {
	q := numbers(t, 1)
	shmtest.Kill(t, startTalking(t, waiter, q))
	must(t, q.TryPut(1))
	notBefore(t, "Put", 10*time.Millisecond, putters(q)["Put"])
	put := mustBlock(t, func() error { return q.Put(within(t), 2) })
	third, err := shm.FromFile(within(t), fileOf(t, q.Segment()), nil)
	must(t, err)
	defer func() { must(t, third.Close()) }()
	must(t, mustOpen[int](t, third).Shutdown())
	wantError(t, put(), queue.ErrShutdown)
	wantLen(t, q, 1)
}
