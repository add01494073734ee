  // The clock that only settlements move, and random numbers from a seed.

  let now = 0;
  const GuestDate = own(function Date(...args) {
    if (new.target === undefined) return new RealDate(now).toString();
    return construct(RealDate, args.length === 0 ? [now] : args, new.target);
  });
  const RealDate = Date;
  for (const name of ["UTC", "parse"]) hidden(GuestDate, name, RealDate[name]);
  hidden(GuestDate, "now", own(() => now));
  defineProperty(GuestDate, "prototype", bare({ value: RealDate.prototype, writable: false, enumerable: false, configurable: false }));
  hidden(RealDate.prototype, "constructor", GuestDate);
  defineProperty(GuestDate, "length", bare({ value: 7, writable: false, enumerable: false, configurable: true }));

  // The numbers begin when the first is asked for: most scripts ask for none.
  let a = 0, b = 0, c = 0, d = 1;
  let seed = 0;
  let sown = false;
  const random = own(() => {
    if (!sown) sow();
    return next();
  });
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return (t >>> 0) / 4294967296;
  };
  const sow = () => {
    sown = true;
    a = seed | 0;
    b = (seed / 4294967296) | 0;
    c = 0x9e3779b9 | 0;
    d = 1;
    for (let i = 0; i < 15; i++) next();
  };
