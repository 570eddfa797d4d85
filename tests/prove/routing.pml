/* Routing towards node 0, as the engines in mycelium/routing do it: feasibility, retractions, deflection, liars, epochs.
 *
 * A message is a distance, or one with RETRACTED. A distance packs sequence and metric as mycelium/wire/distance.py does: the
 * smaller one is the better. Events are those of tests/prove/explorer.py, under the same names, and so is what must hold: no train
 * goes in circles, deflected once or not. `tests/prove/test_spin.py` replays traces of this model with the engines, and
 * compares next hop, metric, feasibility distance and holders of our route after each event.
 *
 * Left out are requests: the origin may take a newer sequence whenever it likes, which is all that they can bring about. So are
 * retries, the resumption of neighbours that were lost for a moment, and expiry, but for the source entry (RFC 8966, section
 * 3.5.4): it may go while nobody holds our route and
 * nothing of ours is under way, as after the three minutes that it is kept.
 *
 *     spin -run -DCUTS=1 -DMENDS=1 -DBUMPS=1 routing.pml
 */

mtype = { Deliver, Rise, Notice, Suspect, Cut, Mend, Restart, Expire, Bump, Nothing };

#define N 4
#define E(i, j) ((i) * N + (j))
#define NONE 255            /* no next hop */
#define OURSELVES 254
#define INF 63              /* metric of no route */
#define SEQUENCES 31
#define DIST(sequence, metric) ((SEQUENCES - (sequence)) * 64 + (metric))
#define METRIC(d) ((d) & 63)
#define RETRACTED 4096      /* flag; larger than all distances */
#define NO_SOURCE 4096
#define UNKNOWN 16384
#define EPOCH 8             /* sequences of one start of the origin */
#define MOST_UNDER_WAY 8

#ifdef CARELESS             /* which the search must find */
#define FEASIBLE(d, n) ((d) < RETRACTED)
#else
#define FEASIBLE(d, n) ((d) < fd[n])
#endif

#ifndef CUTS
#define CUTS 0
#endif
#ifndef MENDS
#define MENDS 0
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef SUSPECTS
#define SUSPECTS 0
#endif
#ifndef BUMPS
#define BUMPS 0
#endif
#ifndef EXPIRIES
#define EXPIRIES 0
#endif
#ifndef LIAR
#define LIAR NONE           /* claims a metric of 1, and drops what comes */
#endif

short rt[16];               /* what a neighbour has advertised */
byte cost[16];              /* of links; 0 where there is none */
bit is_open[16];
bit suspected[16];
byte session[16];           /* that an end has, 0 for none */
byte rising[16];            /* that an end is about to have */
chan queue[16] = [MOST_UNDER_WAY] of { short };

short fd[4];                /* feasibility distance */
short told[4];              /* distance that was advertised last */
byte sel[4];
byte met[4];
byte hold[4];               /* neighbours that hold our route, and those that hold its present state: bits */
byte cur[4];
bit dirty[4];
byte sequence = EPOCH;
byte sessions;
byte cuts = CUTS, mends = MENDS, restarts = RESTARTS, suspects = SUSPECTS, bumps = BUMPS, expiries = EXPIRIES;

hidden byte x, y, what, a, b, k, best_slot, node, came_from, hop, visits[4];
hidden short value, best, key, best_key, packed;
hidden byte next_hop_bit, up, wanting;
hidden byte is_deflected, ends;

#define USED(e) (session[e] && !suspected[e])
#define CARRIES(i, j) (is_open[E(i, j)] && session[E(i, j)] && session[E(i, j)] == session[E(j, i)])

inline send(i, j, what) {
    assert(len(queue[E(i, j)]) < MOST_UNDER_WAY);
    if
    :: i == LIAR && what < RETRACTED -> queue[E(i, j)]!(what - METRIC(what) + 1)
    :: else -> queue[E(i, j)]!what
    fi
}

inline retract(i, to) { /* to some neighbours, bits */
    k = 0;
    do
    :: k == N -> break
    :: else ->
        if
        :: (to) & (1 << k) -> send(i, k, (DIST(sequence, INF) | RETRACTED))
        :: else
        fi;
        k++
    od;
    cur[i] = cur[i] & ~(to);
    hold[i] = hold[i] & ~(to)
}

inline choose(i, slot, metric) {
    sel[i] = slot;
    met[i] = metric;
    dirty[i] = 1
}

inline reselect(i) { /* the selected route may stay although it is not feasible */
    best = INF;
    best_slot = NONE;
    if
    :: sel[i] < N && rt[E(i, sel[i])] < RETRACTED && USED(E(i, sel[i])) ->
        best = METRIC(rt[E(i, sel[i])]) + cost[E(i, sel[i])];
        best_slot = sel[i]
    :: else
    fi;
    k = 0;
    do
    :: k == N -> break
    :: else ->
        if
        :: FEASIBLE(rt[E(i, k)], i) && USED(E(i, k)) && METRIC(rt[E(i, k)]) + cost[E(i, k)] < best ->
            best = METRIC(rt[E(i, k)]) + cost[E(i, k)];
            best_slot = k
        :: else
        fi;
        k++
    od;
    if
    :: best_slot != sel[i] || best != met[i] -> choose(i, best_slot, best)
    :: else
    fi
}

inline advertise(i) { /* brings what is advertised up to date */
    if
    :: sel[i] == OURSELVES -> packed = DIST(sequence, 0)
    :: else -> packed = rt[E(i, sel[i])] - METRIC(rt[E(i, sel[i])]) + met[i]
    fi;
    if
    :: packed != told[i] -> told[i] = packed; cur[i] = 0
    :: else
    fi
}

inline tell(i, to) { /* some neighbours, bits */
    if
    :: packed < fd[i] -> fd[i] = packed
    :: else
    fi;
    k = 0;
    do
    :: k == N -> break
    :: else ->
        if
        :: (to) & (1 << k) -> send(i, k, packed)
        :: else
        fi;
        k++
    od;
    hold[i] = hold[i] | (to);
    cur[i] = cur[i] | (to)
}

inline flush(i) {
    if
    :: !dirty[i]
    :: dirty[i] && met[i] == INF -> dirty[i] = 0; retract(i, hold[i])
    :: else ->
        dirty[i] = 0;
        advertise(i);
        next_hop_bit = (sel[i] < N -> 1 << sel[i] : 0);
        up = 0;
        k = 0;
        do
        :: k == N -> break
        :: else -> up = up | (session[E(i, k)] -> 1 << k : 0); k++
        od;
        wanting = up & ~next_hop_bit & ~cur[i];
        if
        :: wanting -> tell(i, wanting)
        :: else
        fi;
        if
        :: hold[i] & next_hop_bit -> retract(i, next_hop_bit)
        :: else
        fi
    fi
}

inline forget(i, j) { /* all of a neighbour */
    rt[E(i, j)] = UNKNOWN;
    suspected[E(i, j)] = 0;
    hold[i] = hold[i] & ~(1 << j);
    cur[i] = cur[i] & ~(1 << j);
    if
    :: sel[i] == j -> reselect(i)
    :: else
    fi
}

inline receive(at, from) { /* `value` of a neighbour */
    if
    :: at == 0
    :: at != 0 && value >= RETRACTED ->
        if
        :: rt[E(at, from)] < RETRACTED -> rt[E(at, from)] = rt[E(at, from)] | RETRACTED
        :: else
        fi;
        if
        :: sel[at] == from -> reselect(at)
        :: else
        fi
    :: else ->
        rt[E(at, from)] = value;
        if
        :: sel[at] == from && (!FEASIBLE(value, at) || METRIC(value) + cost[E(at, from)] > met[at]) -> reselect(at)
        :: (sel[at] == from && FEASIBLE(value, at) && METRIC(value) + cost[E(at, from)] < met[at]) ||
           (sel[at] != from && FEASIBLE(value, at) && METRIC(value) + cost[E(at, from)] < met[at] && USED(E(at, from))) ->
            choose(at, from, METRIC(value) + cost[E(at, from)])
        :: else
        fi
    fi
}

inline empty_queue(e) {
    do
    :: len(queue[e]) > 0 -> queue[e]?_
    :: else -> break
    od
}

inline begin_session(i, j) {
    sessions++;
    is_open[E(i, j)] = 1; rising[E(i, j)] = sessions;
    is_open[E(j, i)] = 1; rising[E(j, i)] = sessions
}

/* -- what happens -------------------------------------------------------------------------------------------------------- */

#define CAN_ARRIVE(i, j) (len(queue[E(i, j)]) > 0 && is_open[E(i, j)] && \
    (session[E(j, i)] == session[E(i, j)] || session[E(j, i)] > session[E(i, j)] || !rising[E(j, i)]))
#define CAN_NOTICE(i, j) (session[E(i, j)] && !CARRIES(i, j) && rising[E(j, i)] != session[E(i, j)])

inline deliver(i, j) { /* what is of an older session is taken by nobody */
    queue[E(i, j)]?value;
    if
    :: session[E(j, i)] == session[E(i, j)] -> receive(j, i)
    :: else
    fi
}

inline rise(i, j) {
    session[E(i, j)] = rising[E(i, j)];
    rising[E(i, j)] = 0;
    empty_queue(E(i, j));
    forget(i, j)
}

inline notice(i, j) {
    session[E(i, j)] = 0;
    empty_queue(E(i, j));
    forget(i, j)
}

inline cut(i, j) {
    is_open[E(i, j)] = 0; rising[E(i, j)] = 0; empty_queue(E(i, j));
    is_open[E(j, i)] = 0; rising[E(j, i)] = 0; empty_queue(E(j, i))
}

inline restart(i) { /* it has forgotten all; the origin has a newer epoch */
    b = 0;
    do
    :: b == N -> break
    :: else ->
        rt[E(i, b)] = UNKNOWN;
        if
        :: cost[E(i, b)] ->
            empty_queue(E(i, b)); empty_queue(E(b, i));
            session[E(i, b)] = 0; suspected[E(i, b)] = 0
        :: else
        fi;
        b++
    od;
    fd[i] = NO_SOURCE; told[i] = UNKNOWN; hold[i] = 0; cur[i] = 0; dirty[i] = 0;
    sel[i] = (i -> NONE : OURSELVES);
    met[i] = (i -> INF : 0);
    sequence = (i -> sequence : (sequence / EPOCH + 1) * EPOCH);
    b = 0;
    do
    :: b == N -> break
    :: else ->
        if
        :: cost[E(i, b)] && is_open[E(i, b)] -> begin_session(i, b)
        :: else
        fi;
        b++
    od
}

inline suspect(i, j) { /* or trust again */
    suspected[E(i, j)] = 1 - suspected[E(i, j)];
    if
    :: suspected[E(i, j)] && sel[i] == j -> reselect(i)
    :: !suspected[E(i, j)] && i && FEASIBLE(rt[E(i, j)], i) && METRIC(rt[E(i, j)]) + cost[E(i, j)] < met[i] ->
        choose(i, j, METRIC(rt[E(i, j)]) + cost[E(i, j)])
    :: else
    fi
}

inline bump() { /* a newer sequence, which a neighbour has asked for */
    sequence++;
    dirty[0] = 1
}

/* -- what must hold ------------------------------------------------------------------------------------------------------ */

inline find_alternate(i, from) { /* the best neighbour but the next hop, where a train came from and the suspected last */
    hop = NONE;
    best_key = 32767;
    k = 0;
    do
    :: k == N -> break
    :: else ->
        if
        :: rt[E(i, k)] < RETRACTED && session[E(i, k)] && k != sel[i] ->
            key = suspected[E(i, k)] * 16384 + (k == from -> 8192 : 0) + (rt[E(i, k)] >= fd[i] -> 4096 : 0) +
                (METRIC(rt[E(i, k)]) + cost[E(i, k)]) * 4 + k;
            if
            :: key < best_key -> best_key = key; hop = k
            :: else
            fi
        :: else
        fi;
        k++
    od
}

inline follow(source, first) { /* a train, over a given neighbour as a deflected one, or along its route (NONE) */
    k = 0;
    do
    :: k == N -> break
    :: else -> visits[k] = 0; k++
    od;
    node = source;
    came_from = source;
    is_deflected = (first != NONE);
    hop = first;
    ends = 0;
    visits[node] = 1;
    do
    :: ends || node == 0 || node == LIAR -> break
    :: else ->
        if
        :: hop == NONE && sel[node] < N -> hop = sel[node]
        :: else
        fi;
        if
        :: hop == NONE && !is_deflected -> is_deflected = 1; find_alternate(node, came_from)
        :: else
        fi;
        if
        :: hop == NONE || !CARRIES(node, hop) -> ends = 1
        :: else ->
            came_from = node;
            node = hop;
            hop = NONE;
            visits[node]++;
            assert(visits[node] <= (is_deflected -> 2 : 1))
        fi
    od
}

inline check() {
    a = 1;
    do
    :: a == N -> break
    :: else ->
        follow(a, NONE);
        b = 0;
        do
        :: b == N -> break
        :: else ->
            if
            :: rt[E(a, b)] < RETRACTED && USED(E(a, b)) -> follow(a, b)
            :: else
            fi;
            b++
        od;
        a++
    od
}

#ifdef TRACE
inline tables() {
    printf("\n%e %d %d", what, x, y);
    a = 1;
    do
    :: a == N -> break
    :: else -> printf(" %d,%d,%d,%d", sel[a], met[a], fd[a], hold[a]); a++
    od;
    printf("\n")
}
#define AFTER() tables()
#else
#define AFTER() check()
#endif

#define MAY_EXPIRE(i) (!hold[i] && fd[i] < NO_SOURCE && !len(queue[E(i, 0)]) && !len(queue[E(i, 1)]) && \
    !len(queue[E(i, 2)]) && !len(queue[E(i, 3)]))

inline link(m, n, metric) {
    cost[E(m, n)] = metric;
    cost[E(n, m)] = metric;
    sessions++;
    is_open[E(m, n)] = 1; session[E(m, n)] = sessions;
    is_open[E(n, m)] = 1; session[E(n, m)] = sessions
}

inline begin_with(n, next_hop, metric, holders) {
    sel[n] = next_hop;
    met[n] = metric;
    told[n] = DIST(sequence, metric);
    fd[n] = (n -> told[n] : NO_SOURCE);
    hold[n] = holders;
    cur[n] = holders
}

init { /* a square with a diagonal, without ties, in which all have heard all there is to hear */
    atomic {
        a = 0;
        do
        :: a == N * N -> break
        :: else -> rt[a] = UNKNOWN; a++
        od;
        link(0, 1, 2); link(1, 2, 2); link(2, 3, 2); link(0, 3, 3); link(0, 2, 6);
        begin_with(0, OURSELVES, 0, 14);
        begin_with(1, 0, 2, 4);
        begin_with(2, 1, 4, 9);
        begin_with(3, 0, 3, 4);
        rt[E(1, 0)] = told[0]; rt[E(2, 0)] = told[0]; rt[E(3, 0)] = told[0];
        rt[E(2, 1)] = told[1]; rt[E(2, 3)] = told[3]; rt[E(3, 2)] = told[2];
        node = LIAR;
        a = 0;
        do /* its claim is under way */
        :: a == N || node == NONE -> break
        :: else ->
            if
            :: cost[E(node, a)] -> queue[E(node, a)]!DIST(sequence, 1)
            :: else
            fi;
            a++
        od
    }
    do
    :: atomic {
        if /* where */
        :: x = 0; y = 1 :: x = 1; y = 0 :: x = 1; y = 2 :: x = 2; y = 1 :: x = 2; y = 3 :: x = 3; y = 2
        :: x = 0; y = 3 :: x = 3; y = 0 :: x = 0; y = 2 :: x = 2; y = 0
        fi;
        if /* what */
        :: CAN_ARRIVE(x, y) -> what = Deliver; deliver(x, y)
        :: rising[E(x, y)] -> what = Rise; rise(x, y)
        :: CAN_NOTICE(x, y) -> what = Notice; notice(x, y)
        :: suspects && session[E(x, y)] -> what = Suspect; suspects--; suspect(x, y)
        :: cuts && x < y && is_open[E(x, y)] -> what = Cut; cuts--; cut(x, y)
        :: mends && x < y && !is_open[E(x, y)] -> what = Mend; mends--; begin_session(x, y)
        :: restarts && (y == x + 1 || (x == 3 && y == 0)) -> what = Restart; restarts--; restart(x); y = x
        :: expiries && x && MAY_EXPIRE(x) -> what = Expire; expiries--; fd[x] = NO_SOURCE; reselect(x); y = x
        :: bumps && !x && session[E(0, y)] && sequence % EPOCH < EPOCH - 1 -> what = Bump; bumps--; bump()
        :: else -> what = Nothing
        fi;
        if
        :: what == Nothing
        :: else ->
            if /* whose routes have changed */
            :: what == Deliver -> flush(y)
            :: else -> flush(x)
            fi;
            if
            :: what == Rise && met[x] < INF && sel[x] != y && !(cur[x] & (1 << y)) -> advertise(x); tell(x, (1 << y))
            :: else
            fi;
            AFTER()
        fi
    }
    od
}
