package value_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

func anonymous() *shm.Segment {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	return seg
}

// Config is read at every request and changed once in a while. Readers never
// meet a rate of one version with a burst of another.
type Config struct {
	Version     uint32
	Rate, Burst float32
}

func ExampleValue() {
	ctx, seg := context.Background(), anonymous()
	defer seg.Close()
	config, err := value.OpenOrCreate(ctx, seg, "config", Config{Version: 1, Rate: 10, Burst: 20})
	if err != nil {
		log.Fatal(err)
	}
	err = config.Update(ctx, func(c *Config) error {
		c.Version++
		c.Rate, c.Burst = 100, 200
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(config.Load())
	// Output: {2 100 200}
}

// A limiter admits one request in each interval, and bursts, over all processes
// that share its one word: the time, in Unix nanoseconds, when the next request
// is due.
type limiter struct{ next *value.Atomic[int64] }

func (l limiter) allow(now time.Time, interval, burst time.Duration) bool {
	for {
		next := l.next.Load()
		if next-now.UnixNano() >= int64(burst) {
			return false
		}
		if l.next.CompareAndSwap(next, max(next, now.UnixNano())+int64(interval)) {
			return true
		}
	}
}

func ExampleAtomic() {
	seg := anonymous()
	defer seg.Close()
	next, err := value.CreateAtomic[int64](context.Background(), seg, "next", 0)
	if err != nil {
		log.Fatal(err)
	}
	limit, now, admitted := limiter{next}, time.Now(), 0
	for range 10 {
		if limit.allow(now, time.Second, 3*time.Second) {
			admitted++
		}
	}
	fmt.Println(admitted, "of 10 requests at once")
	fmt.Println(limit.allow(now.Add(time.Second), time.Second, 3*time.Second), "a second later")
	// Output:
	// 3 of 10 requests at once
	// true a second later
}

func ExampleAtomic_Wait() {
	ctx, seg := context.Background(), anonymous()
	defer seg.Close()
	ready, err := value.CreateAtomic[int32](ctx, seg, "ready", 0)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		go ready.Add(1) // usually in other processes
	}
	n, err := ready.Wait(ctx, func(n int32) bool { return n == 3 })
	fmt.Println(n, err)
	// Output: 3 <nil>
}
