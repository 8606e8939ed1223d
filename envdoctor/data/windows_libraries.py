"""DLLs that need not come with a wheel on Windows: the system's, and those of runtimes that Microsoft hands out separately.

``SYSTEM``: the import libraries of mingw-w64 10.0 (Debian's mingw-w64-x86-64-dev 10.0.0-3, November 2022), which cover Windows
up to 11, without those of redistributables; and, from Microsoft's API documentation (July 2025), newer ones that wheels were
seen to import. A name that is absent here is no proof of anything.
"""

SYSTEM: frozenset[str] = frozenset(
    """
    acledit aclui activeds admparse admwprox adptif adsiisex adsldpc advapi32 advpack agentanm aksclass alrsvc apcups apphelp
    appmgmts aqueue asp aspperf asycfilt atkctrs atl atmlib atrace audiosrv authz autodial autodisc avicap32 avifil32 avrt
    azroles basesrv batmeter batt bcrypt bcryptprimitives bluetoothapis bootvid browser bthprops.cpl cabinet cabview cards
    catsrv catsrvut cdfview cdm certcli cfgbkend cfgmgr32 cimwin32 cintime clb clbcatq clfsw32 cliconfg clusapi cmcfg32
    cmdial32 cmpbk32 cmutil cnetcfg coadmin colbact combase comctl32 comdlg32 compstui computecore computenetwork
    computestorage comres comsetup comsnap comsvcs comuid connect console coremessaging corpol credui crypt32 cryptdlg
    cryptdll cryptext cryptnet cryptsp cryptsvc cryptui cryptxml cscapi cscdll cscui csrsrv cufat d2d1 d3d10 d3d11 d3d12
    d3d8thk d3d9 d3dcompiler_47 davclnt dbgeng dbghelp dbnetlib dbnmpntw dciman32 dcomp ddraw devmgr devobj devrtl dhcpcsvc
    dhcpcsvc6 dhcpsapi digest dimsntfy dimsroam dinput dinput8 directml diskcopy dismapi dmconfig dmdskmgr dmivcitf dmutil
    dnsapi dnsrslvr dpapi dpnaddr dpnet dpnhupnp dpnlobby dpvoice drprov ds32gt dsauth dskquota dsound dsprop dsquery dssec
    dssenh dsuiext duser dwmapi dwrite dxcore dxgi dxva2 eappcfg eapphost eappprxy efsadu es esent esentprf eventlog evr
    exprfdll exstrace fastprox faultrep fcachdll fdeploy feclient filemgmt fldrclnr fltlib fmifs fontsub framedyn ftpctrs2
    ftpmib fwpuclnt fxsapi fxscfgwz fxsdrv fxsocm fxsperf fxsroute fxsst fxst30 fxstiff fxsui fxswzrd gamemode gdi32 gdi32full
    gdiplus genericui getuname glmf32 glu32 gpedit gpkcsp gptext guitrn hal hbaapi hhctrl.ocx hid hlink hmmapi hnetcfg hnetwiz
    hostmib hotplug htrn_jis httpapi httpext httpmib httpodbc htui hypertrm iashlpr iaspolcy iassam iassvcs icaapi icfgnt
    icm32 icmui icu icuin icuuc icwconn icwdl icwphbk icwutil idq ieakeng iedkcs32 iernonce iesetup igmpagnt iis iisadmin
    iiscfg iisprov iisrtl iisui iisutil imagehlp imedic imejpcus imeshare imeskdic imgutil imjp81k imjputyc imm32 imsinsnt
    inetcfg inetcomm inetmib1 infoadmn infocomm infoctrs infosoft initpki inputhost inseng iphlpapi ipmontr ipnathlp iprop
    iprtprio iprtrmgr ipsecspd ipxsap irclass isapitst isatq iscomlog iscsidsc isignup2 iyuv_32 jet500 jsproxy kd1394 kdcom
    kerberos kernel32 kernelbase keymgr ksuser ktmw32 linkinfo lmmib2 loadperf localspl loghours lonsint lpk lprhelp lsasrv
    lz32 mag_hook mapi32 mcastmib mcd32 mcdsrv32 mchgrcoi mciavi32 mcicda mciole32 mciqtz32 mciseq mciwave mdminst mf mf3216
    mfcore mfplat mfplay mfreadwrite mfsensorgroup mfsrcsnk mgmtapi midimap migism miglibnt mlang mll_hp mll_mtf mll_qic
    mmdevapi mmfutil mmutilse mobsync modemui mofd mpr mprapi mprddm mprui mqad mqcertui mqdscli mqise mqperf mqrt mqrtdep
    mqsec mqupgrd mqutil msacm32 msadcs msado15 msafd msasn1 mscat32 mscms msctf msdadiag msdart msdmo msdrm msdtclog msdtcprx
    msdtctm msdtcuiu msftedit msgina msgr3en msgsvc mshtml msi msimg32 msimtf msir3jp msisip mslbui msls31 msmqocm msobdl
    msobmain msoe msoeacct msoert2 msoledbsql mspatcha msports msrating msrle32 mssign32 mssip32 mstask mstlsapi msutb msv1_0
    msvcirt msvcp_win msvcrt msvfw32 msvidc32 msw3prt mswsock msxml6 msyuv mtxclu mtxdm mtxex mtxoci mydocs ncobjapi ncrypt
    ncxp nddeapi nddenb32 ndfapi ndisnpp netapi32 netcfgx netid netlogon netman netoc netplwiz netrap netshell netui0 netui1
    netui2 newdev nntpapi normaliz npptools nshipsec nsi ntdll ntdsapi ntdsbcli ntdtcsetup ntlanman ntlanui ntlsapi ntmarta
    ntmsapi ntoc ntprint ntshrui ntvdm64 nwprovau oakley occache ocmanage ocmsn ocsbs odbc32 odbc32gt odbcbcp odbcconf
    odbccp32 odbccr32 odbctrac oeimport oemiglib ole32 oleacc oleaut32 olecli32 olecnv32 oledb32 oledlg olesvr32 opends60
    opengl32 osuninst p2p p2pcollab p2pgraph pautoenr pcwum pdh perfctrs perfdisk perfnet perfos perfproc perfts photowiz
    pidgen policman polstore powrprof printui prntvpt profapi profmap proppage propsys ps5ui psapi psbase pschdprf pscript5
    pstorec pstorsvc qmgr qosname quartz query qutil qwave rasadhlp rasapi32 rasauto raschap rasctrs rasdlg rasman rasmans
    rasmontr rasmxs rasppp rasrad rassapi rasser rastapi rastls rdpcfgex rdpsnd rdpwsx regapi regsvc resutils riched20 rnr20
    rometadata routemsg routetab rpcdiag rpchttp rpcns4 rpcref rpcrt4 rpcss rsaenh rstrtmgr rtm rtutils samlib samsrv scarddlg
    sccbase scecli scesrv schannel schedsvc sclgntfy scredir scrobj scrrun sdhcinst sechost seclogon secur32 security sens
    sensapi senscfg seo serialui serwvdrv setupapi setupqry sfc sfc_os sfcfiles sfmapi shcore shdocvw shell32 shfolder shimeng
    shimgvw shlwapi shscrap shsvcs sigtab sisbkup skdll slbcsp slc slcext slwga smtpapi smtpctrs snapin snmpapi snmpelea
    softpub spoolss sqlsrv32 sqlxmlx srchctls srclient srrstr srvsvc ssdpapi ssinc sspicli staxmem sti sti_ci streamci
    strmfilt subauth svcpack sxs synceng syncui sysinv sysmod syssetup t2embed tapi32 tapiperf tbs tcpmib tdh traffic tsappcmp
    tsbyuv tsd32 tsoc twinapi.appcore txfw32 ucrtbase ufat uiautomationcore umandlg umdmxfrm umpnpmgr unidrv unidrvui uniime
    unimdmat uniplat untfs upnp upnpui url urlauth urlmon user32 userenv usp10 utildll uxtheme vdsutil verifier version vgx
    virtdisk vssapi w32time w32topl w3core w3ctrs w3dt w3isapi w3ssl w3tp wab32 wabimp wamreg wbemcore wbemupgd wdigest
    wdmaud.drv wdsclient wdsclientapi wdscore wdscsl wdsimage wdstptc wdsupgcompl wdsutil webauthn webcheck webclnt webhits
    webservices websocket wecapi wer wevtapi wevtfwd wiadss wiarpc wiaservc wiashext wimgapi win32u windows.storage
    windowscodecs winfax winhttp winhvemulation winhvplatform wininet winipsec winmm winnsi winrnr winscard winspool.drv
    winsrv winsta wintrust wintypes winusb wkssvc wlanapi wlanui wlanutil wldap32 wlnotify wlstore wmi wmi2xml wmiaprpl
    wmiprop wmisvc wofutil wow64 wow64cpu wow64mib wow64win wpd_ci ws2_32 ws2help wscapi wscsvc wsdapi wshatm wshbth wshtcpip
    wslapi wsock32 wtsapi32 xaudio2_8 xinput1_4 xinput9_1_0 xmllite zoneoc
    """.split()  # noqa: SIM905
)
"""Base names, lower case; ``.dll`` is left out."""

API_SETS: tuple[str, ...] = ("api-ms-", "ext-ms-")
"""Names that begin so are no files: Windows maps them to its own libraries (``ApiSetSchema``)."""

WITH_PYTHON: dict[str, tuple[int, int]] = {
    "vcruntime140.dll": (3, 5),
    "vcruntime140_1.dll": (3, 8),
    "python3.dll": (3, 3),
}
"""What python.org's and conda's Python bring along beside ``python.exe``, since X.Y."""

VISUAL_CPP: frozenset[str] = frozenset(
    [
        "concrt140.dll",
        "msvcp140.dll",
        "msvcp140_1.dll",
        "msvcp140_2.dll",
        "msvcp140_atomic_wait.dll",
        "msvcp140_codecvt_ids.dll",
        "vcamp140.dll",
        "vccorlib140.dll",
        "vcomp140.dll",
        "vcruntime140.dll",
        "vcruntime140_1.dll",
        "vcruntime140_threads.dll",
        "mfc140.dll",
        "mfc140u.dll",
        "mfcm140.dll",
        "mfcm140u.dll",
    ]
)
"""Libraries of the Visual C++ 2015-2022 Redistributable (*Determining Which DLLs to Redistribute*, learn.microsoft.com)."""

OLDER_VISUAL_CPP: dict[str, str] = {
    "120": "2013",
    "110": "2012",
    "100": "2010",
    "90": "2008",
    "80": "2005",
}
"""Redistributables of before: the number in ``msvcr120.dll``, ``msvcp120.dll``, ``vcomp120.dll`` by year."""

NOT_REDISTRIBUTED: frozenset[str] = frozenset(["libomp140.x86_64.dll", "libomp140.i386.dll", "libomp140.aarch64.dll"])
"""LLVM's OpenMP runtime of Visual Studio: in no redistributable, only where Visual Studio's compilers are installed."""


def is_system(name: str) -> bool:
    """A DLL (lower case) that every Windows brings along."""
    return name.removesuffix(".dll") in SYSTEM or name.startswith(API_SETS)
