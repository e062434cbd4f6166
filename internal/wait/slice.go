//go:build !shmcheck

package wait

import "time"

// longest is the longest time that a sleep with the given limit takes.
func longest(limit time.Duration) time.Duration { return min(limit, Slice) }
