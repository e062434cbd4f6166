//go:build linux

package linear

// bytesHistories are written by hand. A Write whose number is n writes bytesOf(n).
func bytesHistories() []written {
	k := bytesKind()
	to, from := endAt(1, 1), endAt(1, 0) // the pipe of processes 0, at its end 1, and 1
	const most = streamBuffer
	lane := func(c call, lane int) call {
		c.lane = lane
		return c
	}
	wrote := func(t, end int64, number uint64, length, n int, code uint32) call {
		return at(0, t, end, write, code, numbers{whereOf(to, 0, length), number}, numbers{uint64(n)})
	}
	dead := func(number uint64, length int) call {
		return killed(0, 10, 30, write, numbers{whereOf(to, 0, length), number})
	}
	got := func(t int64, b []byte) call {
		return at(1, t, t+1, read, done, numbers{from, most}, numbers{uint64(len(b)), sumOf(b)})
	}
	fails := func(t int64, code uint32) call {
		return at(1, t, t+1, read, code, numbers{from, most}, numbers{0, sumOf("")})
	}
	closes := func(t int64, op uint32, end uint64) call {
		return at(holderOf(int(end>>1), int(end&1)), t, t+1, op, done, numbers{end}, numbers{})
	}
	limit := func(t int64, when uint64) call {
		return at(1, t, t+1, limitReads, done, numbers{from, when}, numbers{})
	}
	soon := at(0, 0, 0, limitWrites, done, numbers{to, 2}, numbers{})
	late := at(0, 0, 0, limitWrites, done, numbers{to, 31}, numbers{})
	lift := at(0, 1, 2, limitWrites, done, numbers{to, never}, numbers{})
	seven, eight, long := bytesOf(7, 20), bytesOf(8, 20), bytesOf(9, most+50)
	list := []written{
		{"a Write in two parts", k, 0, true, []call{
			wrote(1, 2, 7, 20, 20, done), got(3, seven[:5]), got(5, seven[5:]),
		}, nil},
		{"two Writes are read at once", k, 0, true, []call{
			wrote(1, 2, 7, 20, 20, done), wrote(3, 4, 8, 20, 20, done), got(5, append(seven[:20:20], eight...)),
		}, nil},
		{"a Write overtakes", k, 0, false, []call{
			wrote(1, 2, 7, 20, 20, done), wrote(3, 4, 8, 20, 20, done), got(5, eight), got(7, seven),
		}, nil},
		{"two Writes are mixed", k, 0, false, []call{
			wrote(1, 4, 7, 20, 20, done), lane(wrote(1, 4, 8, 20, 20, done), 2), got(5, append(seven[:5:5], eight...)), got(7, seven[5:]),
		}, nil},
		{"a byte comes twice", k, 0, false, []call{wrote(1, 2, 7, 20, 20, done), got(5, seven[:5]), got(7, seven[4:])}, nil},
		{"a byte is left out", k, 0, false, []call{wrote(1, 2, 7, 20, 20, done), got(5, seven[:5]), got(7, seven[6:])}, nil},
		{"bytes come before they are written", k, 0, false, []call{wrote(5, 6, 7, 20, 20, done), got(1, seven)}, nil},
		{"more is under way than fits", k, 0, false, []call{wrote(1, 2, 9, most+50, most+50, done), got(5, long[:most])}, nil},
		{"a long Write waits for its reader", k, 0, true, []call{
			wrote(1, 8, 9, most+50, most+50, done), got(5, long[:50]), got(9, long[50:]),
		}, nil},
		{"a Write comes between the parts of another", k, 0, false, []call{
			wrote(1, 20, 9, most+50, most+50, done), lane(wrote(1, 20, 7, 20, 20, done), 2),
			got(5, long[:60]), got(7, append(long[60:90:90], seven...)), got(9, long[90:]),
		}, nil},
		{"a Write that gave up is there in part", k, 0, true, []call{
			soon, wrote(1, 4, 9, most+50, most, gaveUp), got(5, long[:most]), closes(7, closeWrite, to), fails(9, atEnd),
		}, nil},
		{"a Write wrote more than it said", k, 0, false, []call{soon, wrote(1, 4, 9, most+50, 60, gaveUp), got(5, long[:61])}, nil},
		{"a Write wrote less than it said", k, 0, false, []call{
			soon, wrote(1, 4, 9, most+50, 60, gaveUp), got(5, long[:59]), closes(7, closeWrite, to), fails(9, atEnd),
		}, nil},
		{"a Write says that it wrote a part, and no error", k, 0, false, []call{wrote(1, 4, 7, 20, 10, done), got(5, seven[:10])}, nil},
		{"the end comes before the last byte", k, 0, false, []call{
			wrote(1, 2, 7, 20, 20, done), closes(3, closeEnd, to), got(5, seven[:19]), fails(7, atEnd),
		}, nil},
		{"bytes behind the end", k, 0, false, []call{
			wrote(1, 9, 7, 20, 20, done), closes(3, closeWrite, to), fails(5, atEnd), got(10, seven),
		}, nil},
		{"the end of bytes while the writer lives", k, 0, false, []call{wrote(1, 2, 7, 20, 20, done), got(3, seven), fails(5, atEnd)}, nil},
		{"a Write to a closed end", k, 0, false, []call{closes(1, closeEnd, from), wrote(3, 4, 7, 20, 20, done)}, nil},
		{"no Write to a closed end", k, 0, true, []call{closes(1, closeEnd, from), wrote(3, 4, 7, 20, 0, noPeer)}, nil},
		{"no Write to an open end", k, 0, false, []call{wrote(3, 4, 7, 20, 0, noPeer)}, nil},
		{"a Write of a closed end says otherwise", k, 0, false, []call{closes(1, closeEnd, to), wrote(3, 4, 7, 20, 0, noPeer)}, nil},
		{"a killed Write is there in part", k, 0, true, []call{dead(7, 20), got(31, seven[:7]), fails(33, atEnd)}, firstDies()},
		{"a killed Write is not there", k, 0, true, []call{dead(7, 20), fails(33, atEnd)}, firstDies()},
		{"the middle of a killed Write", k, 0, false, []call{dead(7, 20), got(31, seven[1:7]), fails(33, atEnd)}, firstDies()},
		{"a killed Write loses those before it", k, 0, false, []call{
			wrote(1, 2, 8, 20, 20, done), dead(7, 20), got(31, eight[:19]), fails(33, atEnd),
		}, firstDies()},
		{"a killed Write comes on behind the end", k, 0, false, []call{
			dead(7, 20), got(31, seven[:7]), fails(33, atEnd), got(35, seven[7:]),
		}, firstDies()},
		{"a Write gave up, another one came, and the end was closed before it said so", k, 0, true, []call{
			wrote(1, 20, 9, most+50, most, over), got(3, long[:most]), lane(wrote(5, 6, 7, 20, 20, done), 2), got(7, seven),
			lane(closes(9, closeEnd, to), 2),
		}, nil},
		{"a Write says that the end is closed, which it is not", k, 0, false, []call{
			wrote(1, 20, 9, most+50, most, over), got(3, long[:most]), lane(closes(21, closeEnd, to), 2),
		}, nil},
		{"two killed Writes", k, 0, true, []call{
			dead(7, 20), lane(dead(8, 20), 2), got(31, seven), got(33, eight[:3]), fails(35, atEnd),
		}, firstDies()},
		{"two killed Writes in part", k, 0, false, []call{
			dead(7, 20), lane(dead(8, 20), 2), got(31, seven[:19]), got(33, eight[:3]), fails(35, atEnd),
		}, firstDies()},
		{"two killed Writes in part, the first had given up", k, 0, true, []call{
			soon, dead(7, 20), lane(dead(8, 20), 2), got(31, seven[:19]), got(33, eight[:3]), fails(35, atEnd),
		}, firstDies()},
		{"two killed Writes in part, the first could not give up yet", k, 0, false, []call{
			late, dead(7, 20), lane(dead(8, 20), 2), got(31, seven[:19]), got(33, eight[:3]), fails(35, atEnd),
		}, firstDies()},
		{"two killed Writes in part, the first may not give up any more", k, 0, false, []call{
			soon, lift, dead(7, 20), lane(dead(8, 20), 2), got(31, seven[:19]), got(33, eight[:3]), fails(35, atEnd),
		}, firstDies()},
		{"a killed Read has read a part", k, 0, true, []call{
			at(1, 1, 2, write, done, numbers{whereOf(from, 0, 20), 7}, numbers{20}),
			killed(0, 3, 30, read, numbers{to, 5}),
			lane(at(0, 10, 14, read, done, numbers{to, most}, numbers{15, sumOf(seven[5:])}), 2),
		}, firstDies()},
		{"a killed Read has read too much", k, 0, false, []call{
			at(1, 1, 2, write, done, numbers{whereOf(from, 0, 20), 7}, numbers{20}),
			killed(0, 3, 30, read, numbers{to, 5}),
			lane(at(0, 10, 14, read, done, numbers{to, most}, numbers{14, sumOf(seven[6:])}), 2),
		}, firstDies()},
		{"a deadline passes", k, 0, true, []call{limit(1, 4), fails(5, gaveUp), limit(7, never), wrote(9, 10, 7, 20, 20, done), got(11, seven)}, nil},
		{"a deadline passes too early", k, 0, false, []call{limit(1, 40), fails(5, gaveUp)}, nil},
		{"a deadline passes that was taken away", k, 0, false, []call{limit(1, 4), limit(5, never), fails(7, gaveUp)}, nil},
		{"a deadline is forgotten", k, 0, false, []call{wrote(1, 2, 7, 20, 20, done), limit(3, atOnce), got(5, seven)}, nil},
		{"a deadline has passed, and has not", k, 0, false, []call{
			wrote(1, 2, 7, 20, 20, done), limit(3, 4), fails(5, gaveUp), got(7, seven),
		}, nil},
		{"a closed end speaks of its deadline", k, 0, false, []call{limit(1, atOnce), closes(3, closeEnd, from), fails(5, gaveUp)}, nil},
	}
	for i := range list {
		for p := range uint64(childrenAtOnce) {
			list[i].calls = append(list[i].calls, at(int(p), 0, 0, takesPlace, done, numbers{p}, numbers{}))
		}
	}
	return list
}
