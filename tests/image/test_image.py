"""The image on two computers: installed, paired, one dies, both updated, a report comes home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.image.site import Site, step


@pytest.mark.usefixtures("asked_for")
def test_a_site_from_one_stick(tmp_path: Path) -> None:
    site = Site(tmp_path)
    print(f"\nserial logs and pictures: {tmp_path}/a and b", flush=True)
    try:
        with step("making the image and its update"):
            image, update = site.make_image(), site.make_update()
        with step("installing both machines, unattended"):
            site.install(image)
        with step("first boots, and the pair"):
            for machine in site.machines:
                machine.power_on()
            site.pair()
        with step("somebody at the screen of node a"):
            site.at_the_screen()
        with step("mail"):
            site.send(12, 60)
        with step("the power goes at node a, and mail goes on at node b"):
            site.a.power_off()
            site.send(1, 120)
            site.finds_all(site.log_in(site.b))
            site.b.picture("alone")
        with step("node a comes back"):
            site.a.power_on()
            site.is_paired(site.a)
        with step("both get the next release from a stick, with mail going on"):
            site.update(update)
        with step("everything that got 250 is there"):
            site.finds_all(site.log_in(site.b, 60))
        with step("node a goes back from the boot menu, and forth again"):
            site.goes_back()
        with step("a report on a stick"):
            site.report()
        with step("the clock"):
            site.sets_the_clock()
    except BaseException:
        for machine in site.machines:
            machine.look("failed")
        raise
    finally:
        site.close()
