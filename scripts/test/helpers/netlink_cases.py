# SPDX-License-Identifier: GPL-2.0
"""Bad netlink input for the kind "xfrm", judged request by request.

    netlink_cases.py table IMPL           one case for each way to be wrong
    netlink_cases.py fuzz IMPL SEED N     N random requests against a model

Prints "ok - name" and "not ok - name: why" lines. Runs in a namespace that
holds nothing but lo, and leaves it so.
"""
import random
import struct
import sys

from nl import (COLLECT_MD, IF_ID, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND,
                IFLA_LINKINFO, IFLA_MTU, LINK, NESTED, NLM_F_CREATE, NLM_F_EXCL,
                RTM_NEWLINK, Rtnl, attr, info, name_attr, parms, u32)

ID = attr(IF_ID, u32(100))
failed = False


def report(good, name, why=""):
    global failed
    failed |= not good
    print(f"ok - {name}" if good else f"not ok - {name}: {why}", flush=True)


class Contract:
    """What the two modules promise; ours checks the length of every attribute,
    the in-tree one only that of the flag."""

    def __init__(self, impl):
        self.accel = impl == "xfrm_accel"

    def parse(self, items):
        """items: (type with flags, data). Returns an errno name, or the values
        as (link, if_id, external)."""
        values = {}
        for kind, data in items:
            number = kind & 0x3fff
            strict = self.accel or number == COLLECT_MD
            if number in (LINK, IF_ID):
                if strict and len(data) != 4:
                    return "EINVAL"
                if strict and kind & NESTED:
                    return "EINVAL"
                if len(data) < 4:
                    return "ERANGE"
                values[number] = struct.unpack("=I", data[:4])[0]
            elif number == COLLECT_MD:
                if kind & NESTED:
                    return "EINVAL"
                if data:
                    return "ERANGE"
                values[number] = True
        return (values.get(LINK, 0), values.get(IF_ID, 0), COLLECT_MD in values)

    def new(self, items, taken):
        """The errno name of a creation; taken: the interfaces there are."""
        got = self.parse(items)
        if isinstance(got, str):
            return got, None
        link, if_id, external = got
        if external:
            if link or if_id:
                return "EINVAL", None
            clash = any(ext for _, _, ext in taken.values())
        else:
            if not if_id:
                return "EINVAL", None
            clash = any(if_id == other and not ext
                        for _, other, ext in taken.values())
        if self.accel and link > 0x7fffffff:
            return "EINVAL", None
        return ("EEXIST", None) if clash else ("OK", got)

    def change(self, items, name, taken):
        """The same of a change; a set where two things are wrong at once."""
        got = self.parse(items)
        if isinstance(got, str):
            return {got}, None
        link, if_id, external = got
        mine = taken[name]
        if external or mine[2] or not if_id:
            return {"EINVAL"}, None
        wrong = set()
        if link != mine[0]:
            wrong.add("EINVAL")
        if any(other != name and if_id == values[1] and not values[2]
               for other, values in taken.items()):
            wrong.add("EEXIST")
        return (wrong, None) if wrong else ({"OK"}, got)


def encode(items):
    return b"".join(attr(kind, data) for kind, data in items)


# --- table --------------------------------------------------------------------

def values_to_try():
    """(name, items, the values a request needs beside them): every attribute in
    every wrong form."""
    sizes = ((0, "empty"), (1, "1 byte"), (3, "3 bytes"), (8, "8 bytes"),
             (4096, "4096 bytes"))
    for number, what in ((LINK, "link"), (IF_ID, "if_id")):
        rest = [(IF_ID, u32(100))] if number == LINK else []
        for size, text in sizes:
            # Bytes of 2, so that reading too much or too little is seen.
            yield f"{what} of {text}", rest + [(number, b"\2" * size)]
        yield f"{what} nested", rest + [(number | NESTED, u32(2))]
        yield f"{what} 0xffffffff", rest + [(number, u32(0xffffffff))]
        yield f"{what} 0x80000000", rest + [(number, u32(0x80000000))]
        yield f"{what} twice", rest + [(number, u32(5)), (number, u32(6))]
        yield f"{what} twice, second one empty", rest + [(number, u32(5)), (number, b"")]
    yield "if_id twice, last one 0", [(IF_ID, u32(5)), (IF_ID, u32(0))]
    for size, text in sizes[1:]:
        yield f"external of {text}", [(COLLECT_MD, b"\2" * size)]
    yield "external nested", [(COLLECT_MD | NESTED, b"")]
    yield "external twice", [(COLLECT_MD, b""), (COLLECT_MD, b"")]
    yield "external and if_id 0", [(COLLECT_MD, b""), (IF_ID, u32(0))]
    yield "external and if_id", [(COLLECT_MD, b""), (IF_ID, u32(1))]
    yield "external and link", [(COLLECT_MD, b""), (LINK, u32(1))]
    yield "nothing", []
    yield "link only", [(LINK, u32(1))]
    yield "if_id 0", [(IF_ID, u32(0))]
    yield "attribute 0 too", [(0, u32(9)), (IF_ID, u32(100))]
    yield "unknown attributes too", [(4, b"\xff" * 40), (0x3fff, b""), (IF_ID, u32(100))]


class Bench:
    def __init__(self, impl):
        self.rtnl = Rtnl()
        self.contract = Contract(impl)
        self.accel = impl == "xfrm_accel"

    def judge(self, name, request, wanted, becomes=None, core=False):
        """One request: errno, a message where the kind refuses (core: rtnetlink
        refuses, not always with a message), and nothing changed, or just what
        becomes says: {device: values}."""
        before = self.rtnl.links()
        mine = self.rtnl.xfrm_links()
        answer = request()
        after = self.rtnl.links()
        wanted = {wanted} if isinstance(wanted, str) else wanted
        problems = []
        if answer.err not in wanted:
            problems.append(f"got {answer}, wanted {' or '.join(sorted(wanted))}")
        if answer.err != "OK":
            if self.accel and not core and not answer.message:
                problems.append(f"{answer.err} without a message")
            if before != after:
                problems.append("refused, but something changed")
        elif becomes is not None:
            mine.update(becomes)
            now = self.rtnl.xfrm_links()
            if now != mine:
                problems.append(f"became {now}, wanted {mine}")
        report(not problems, name, "; ".join(problems))
        return answer

    def table(self):
        rtnl, contract = self.rtnl, self.contract
        rtnl.add("old", parms(if_id=7, link=1))
        rtnl.add("ext", parms(external=True))
        self.create_cases()
        rtnl.delete("ext")
        self.create_cases("none external yet: ")
        rtnl.add("ext", parms(external=True))
        for device in ("old", "ext"):
            for name, items in values_to_try():
                wanted, got = contract.change(items, device, rtnl.xfrm_links())
                self.judge(f"change {device}: {name}",
                           lambda: rtnl.change(device, encode(items)),
                           wanted, {device: got} if got else None)
            items = [(LINK, u32(1)), (IF_ID, u32(8))]
            wanted, got = contract.change(items, device, rtnl.xfrm_links())
            self.judge(f"change {device}: new if_id",
                       lambda: rtnl.change(device, encode(items)),
                       wanted, {device: got} if got else None)
        self.shapes()
        rtnl.delete("old")
        rtnl.delete("ext")
        report(not rtnl.xfrm_links(), "no interface is left", str(rtnl.xfrm_links()))

    def create_cases(self, prefix=""):
        rtnl = self.rtnl
        for name, items in values_to_try():
            wanted, got = self.contract.new(items, rtnl.xfrm_links())
            answer = self.judge(f"create: {prefix}{name}",
                                lambda: rtnl.add("new", encode(items)),
                                wanted, {"new": got} if got else None)
            if answer.err == "OK":
                rtnl.delete("new")

    def shapes(self):
        """Wrong containers. What the core makes of them is its own affair; the
        kind must survive and nothing may change but by success."""
        rtnl = self.rtnl
        create = NLM_F_CREATE | NLM_F_EXCL

        def raw(body):
            return lambda: rtnl.link(RTM_NEWLINK, create, name_attr("new") + body)

        self.judge("no IFLA_INFO_DATA", raw(info(None)), "EINVAL")
        self.judge("empty IFLA_INFO_DATA", raw(info(b"")), "EINVAL")
        self.judge("IFLA_INFO_DATA of 2 bytes", raw(info(b"\1\2")), "ERANGE",
                   core=True)
        self.judge("attribute longer than IFLA_INFO_DATA",
                   raw(info(attr(IF_ID, u32(5), length=400))), "EINVAL")
        self.judge("attribute with length 0",
                   raw(info(attr(IF_ID, u32(5), length=0) + ID)), "EINVAL")
        self.judge("garbage behind the attributes",
                   raw(info(ID + b"\xff\xff\xff")), "OK",
                   {"new": (0, 100, False)})
        rtnl.delete("new")
        self.judge("IFLA_INFO_DATA twice, last one counts",
                   raw(attr(IFLA_LINKINFO, attr(IFLA_INFO_KIND, b"xfrm\0") +
                            attr(IFLA_INFO_DATA, ID) +
                            attr(IFLA_INFO_DATA, parms(if_id=101)))), "OK",
                   {"new": (0, 101, False)})
        rtnl.delete("new")
        self.judge("other kind's name", raw(info(ID, b"xfrmx\0")),
                   "EOPNOTSUPP", core=True)
        self.judge("MTU 67", raw(attr(IFLA_MTU, u32(67)) + info(ID)),
                   "EINVAL", core=True)
        self.judge("MTU 65536", raw(attr(IFLA_MTU, u32(65536)) + info(ID)),
                   "EINVAL", core=True)
        self.judge("MTU of 2 bytes", raw(attr(IFLA_MTU, b"\5\5") + info(ID)),
                   "ERANGE", core=True)
        self.judge("bad name", lambda: rtnl.link(
            RTM_NEWLINK, create, attr(IFLA_IFNAME, b"a/b\0") + info(ID)),
            "EINVAL", core=True)
        self.judge("change of a device of another kind",
                   lambda: rtnl.change("lo", ID), "EOPNOTSUPP", core=True)
        self.judge("create over an interface that is there",
                   lambda: rtnl.add("old", ID), "EEXIST", core=True)


# --- fuzz ---------------------------------------------------------------------

def random_items(rng):
    """Attributes that are often right, so that the deep ends are reached too."""
    items = []
    for _ in range(rng.choice((0, 1, 1, 2, 2, 2, 3, 6))):
        kind = rng.choice((LINK, IF_ID, IF_ID, IF_ID, COLLECT_MD, 0, 4, 77,
                           rng.randrange(0x4000)))
        if rng.random() < 0.05:
            kind |= NESTED
        if kind & 0x3fff == COLLECT_MD:
            size = 0 if rng.random() < 0.8 else rng.randrange(9)
        else:
            size = 4 if rng.random() < 0.85 else rng.randrange(64)
        number = rng.choice((0, 1, 1, rng.randrange(12), rng.randrange(12),
                             rng.getrandbits(32)))
        if kind & 0x3fff == LINK and number > 1 and rng.random() < 0.7:
            number = rng.randrange(2)
        data = (u32(number) + rng.randbytes(64))[:size]
        items.append((kind, data))
    return items


def fuzz(impl, seed, count):
    rng, rtnl, contract = random.Random(seed), Rtnl(), Contract(impl)
    # Unknown lower devices are allowed, but no model of them is needed.
    names = [f"fz{i}" for i in range(8)]
    model, seen, wrong = {}, {}, []
    untouched = rtnl.links()
    for number in range(count):
        name, items = rng.choice(names), random_items(rng)
        what = rng.choice(("new", "change", "change", "delete", "loose"))
        if what == "loose":
            # Create or change, whichever it is: no NLM_F_EXCL.
            request = lambda: rtnl.link(RTM_NEWLINK, NLM_F_CREATE,
                                        name_attr(name) + info(encode(items)))
            what = "change" if name in model else "new"
        elif what == "new":
            request = lambda: rtnl.add(name, encode(items))
        elif what == "change":
            request = lambda: rtnl.change(name, encode(items))
        else:
            if rng.random() < 0.5:
                continue
            request = lambda: rtnl.delete(name)
        if what == "delete":
            wanted, got = ({"OK"} if name in model else {"ENODEV"}), None
        elif what == "change" and name not in model:
            wanted, got = {"ENODEV", "EINVAL", "ERANGE"}, None
        elif what == "new" and name in model:
            wanted, got = {"EEXIST", "EINVAL", "ERANGE"}, None
        elif what == "new":
            err, got = contract.new(items, model)
            wanted = {err}
        else:
            wanted, got = contract.change(items, name, model)
        answer = request()
        seen[answer.err] = seen.get(answer.err, 0) + 1
        if answer.err not in wanted:
            wrong.append(f"request {number} ({what} {name} {items}): {answer}, "
                         f"wanted {wanted}")
        if answer.err == "OK":
            if what == "delete":
                del model[name]
            elif got:
                model[name] = got
        if number % 500 == 0 and rtnl.xfrm_links() != model:
            wrong.append(f"after request {number}: {rtnl.xfrm_links()}, wanted {model}")
            break
    report(not wrong, f"{count} random requests (seed {seed}) are answered as "
           "the contract says", " | ".join(wrong[:3]))
    report(rtnl.xfrm_links() == model, "the links are what the answers said",
           f"{rtnl.xfrm_links()}, wanted {model}")
    # A fuzz that reaches only one end proves nothing.
    report(all(seen.get(err, 0) >= count // 200 for err in ("OK", "EINVAL", "EEXIST")),
           "success, EINVAL and EEXIST were all reached often", str(seen))
    for name in model:
        rtnl.delete(name)
    report(rtnl.links() == untouched, "the dump afterwards equals the one before",
           str(rtnl.links()))


def main():
    what, impl, *rest = sys.argv[1:]
    if what == "table":
        Bench(impl).table()
    elif what == "fuzz":
        fuzz(impl, int(rest[0]), int(rest[1]))
    else:
        sys.exit(__doc__)
    return failed


if __name__ == "__main__":
    sys.exit(main())
